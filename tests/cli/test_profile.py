"""`lodestone profile` against fake services."""

from __future__ import annotations

from lodestone.novelty.v1 import profile_pb2


def test_show_draws_the_histogram_with_the_threshold(cli, services, photos, tmp_path):
    """Facts, a histogram on the terminal, and a PNG on request."""
    cli("profile", "fit", "landscapes", photos, "--background", photos)
    result = cli("profile", "show", "landscapes", "--png", tmp_path / "histogram.png")
    assert result.status == 0
    assert "threshold: 10.00 nats and over passes" in result.out
    assert "held-out liked" in result.out
    assert "█" in result.out
    assert (tmp_path / "histogram.png").read_bytes().startswith(b"\x89PNG")


def test_show_as_json_has_the_scores(cli, services, photos):
    """--json: the facts, the log-likelihoods and the shares that pass."""
    cli("profile", "fit", "landscapes", photos, "--background", photos)
    (shown,) = cli("profile", "show", "landscapes@1", "--json").objects()
    assert shown["version"] == 1
    assert shown["threshold_nats"] == 10.0
    assert shown["held_out_log_likelihoods"] == [10.0 + index for index in range(10)]
    assert shown["held_out_pass_ratio"] == 1.0
    assert shown["background_pass_ratio"] == 0.0


def test_show_states_what_to_expect(cli, services, photos):
    """Both shares with their intervals, both AUCs, and how the threshold was set."""
    background = ("--background", photos)
    cli("profile", "fit", "landscapes", photos, *background, "--keep-ratio", "0.9")
    shown = cli("profile", "show", "landscapes").out
    assert "keep 90% of liked photos" in shown
    assert "90.0% (45.0% to 95.0% with 95% confidence) of photos like the liked" in shown
    assert "1.0% (0.5% to 50.5% with 95% confidence) of a crawl like the background" in shown
    assert "0.980; of the 5 nearest liked photos: 0.970" in shown
    (facts,) = cli("profile", "show", "landscapes", "--json").objects()
    assert facts["expected_keep"] == {
        "expected": 0.9,
        "low": 0.45,
        "high": 0.95,
        "confidence": 0.95,
    }
    assert (facts["separation"], facts["neighbour_separation"]) == (0.98, 0.97)
    cli("profile", "fit", "landscapes", photos, *background, "--pass-ratio", "0.01")
    assert "let 0.01 of the background pass" in cli("profile", "show", "landscapes").out
    cli("profile", "fit", "landscapes", photos, "--threshold", "3")
    shown = cli("profile", "show", "landscapes").out
    assert "the threshold that was stated" in shown
    assert "AUC" not in shown


def test_show_into_a_folder_that_is_not_there_is_one_line(cli, services, photos, tmp_path):
    """A PNG that cannot be written names its path."""
    cli("profile", "fit", "landscapes", photos)
    result = cli("profile", "show", "landscapes", "--png", tmp_path / "no" / "a.png")
    assert result.status == 1
    assert result.err == f"error: {tmp_path / 'no' / 'a.png'}: No such file or directory\n"


def test_show_of_an_unknown_profile_is_one_line(cli, services):
    """NOT_FOUND is the server's sentence."""
    result = cli("profile", "show", "cats")
    assert result.status == 1
    assert result.err == "error: there is no profile 'cats'\n"


def test_list_shows_the_newest_versions(cli, services, photos):
    """One line per name; without profiles it says how to make one."""
    assert "lodestone profile fit" in cli("profile", "list").out
    for name in ("sunsets", "landscapes", "landscapes"):
        cli("profile", "fit", name, photos)
    listed = cli("profile", "list", "--json").objects()
    assert [(one["name"], one["version"]) for one in listed] == [("landscapes", 2), ("sunsets", 1)]
    assert "landscapes@2" in cli("profile", "list").out


def test_list_shows_damaged_profiles(cli, services, photos):
    """With what is wrong, in both forms; JSON has null for what is not known of it."""
    cli("profile", "fit", "sunsets", photos)
    problem = "profile.json is not valid JSON"
    damaged = profile_pb2.Profile(name="landscapes", version=2, damage=problem)
    services.novelty._profiles["landscapes"] = [damaged]
    line = next(line for line in cli("profile", "list").out.splitlines() if "landscapes" in line)
    assert line.split()[:2] == ["landscapes@2", "–"]
    assert line.endswith(f"damaged: {problem}")
    broken, whole = cli("profile", "list", "--json").objects()
    assert (broken["name"], broken["version"], broken["damage"]) == ("landscapes", 2, problem)
    assert broken["threshold_nats"] is broken["create_time"] is broken["liked_count"] is None
    assert (whole["name"], whole["liked_count"], whole["damage"]) == ("sunsets", 10, "")
    assert whole.keys() == broken.keys()
