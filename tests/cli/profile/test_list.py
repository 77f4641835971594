"""`lodestone profile list` against fake services."""

from __future__ import annotations

from lodestone.novelty.v1 import profile_pb2


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
