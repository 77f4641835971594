"""`lodestone profile show` against fake services."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from tests.cli.crawler_messages import kept_image


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
    assert (
        result.err
        == f"error: {tmp_path / 'no' / 'a.png'}: cannot be written: No such file or directory\n"
    )


def test_show_of_an_unknown_profile_is_one_line(cli, services):
    """NOT_FOUND is the server's sentence."""
    result = cli("profile", "show", "cats")
    assert result.status == 1
    assert result.err == "error: there is no profile 'cats'\n"


def test_show_draws_the_histogram_as_svg_too(cli, services, photos, tmp_path):
    """--svg: an XML document with the profile's name and its promise."""
    cli("profile", "fit", "landscapes", photos)
    path = tmp_path / "a.svg"
    assert cli("profile", "show", "landscapes", "--svg", path).status == 0
    words = " ".join(ET.parse(path).getroot().itertext())
    assert "What landscapes@1 lets pass" in words
    assert "Keeps 90% (45% to 95%) of photos like yours." in words


def test_show_names_the_three_least_typical_photos(cli, services, photos):
    """With percentile and score, least first, in both forms."""
    cli("profile", "fit", "landscapes", photos)
    lines = cli("profile", "show", "landscapes").out.splitlines()
    at = next(index for index, line in enumerate(lines) if "do they belong?" in line)
    rows = [line.split() for line in lines[at + 2 : at + 5]]
    assert rows == [
        ["0.png", "10.0", "10.00"],
        ["1.png", "20.0", "11.00"],
        ["2.png", "30.0", "12.00"],
    ]
    (facts,) = cli("profile", "show", "landscapes", "--json").objects()
    assert [one["name"] for one in facts["least_typical"]] == ["0.png", "1.png", "2.png"]
    first = facts["least_typical"][0]
    assert (first["position"], first["percentile"], first["log_likelihood"]) == (0, 10.0, 10.0)
    assert first["passes"] is True
    assert len(first["digest"]) == 64
    assert "jpeg" not in first


def test_show_of_a_profile_that_knows_no_photos_names_none(cli, services, photos):
    """One of an earlier format is shown all the same; JSON has null."""
    cli("profile", "fit", "landscapes", photos)
    services.novelty.forgets_liked = True
    result = cli("profile", "show", "landscapes")
    assert result.status == 0
    assert "belong" not in result.out
    why = "landscapes@1 was fitted before profiles kept their liked images: fit it again"
    assert f"the least typical photos are not known: {why}" in result.err.splitlines()
    assert "threshold: 10.00 nats and over passes" in result.out
    (facts,) = cli("profile", "show", "landscapes", "--json").objects()
    assert (facts["least_typical"], facts["least_typical_unknown"]) == (None, why)


def test_show_says_why_there_are_no_thumbnails(cli, services, photos, tmp_path):
    """On the terminal, in JSON and on the page, which has everything else all the same."""
    cli("profile", "fit", "landscapes", photos)
    (profile,) = services.novelty._profiles["landscapes"]
    page = tmp_path / "a.html"
    services.novelty.damaged_thumbnails = True
    result = cli("profile", "show", "landscapes", "--report", page)
    assert result.status == 0
    why = "profile landscapes@1 is damaged: thumbnails/0.jpg is missing"
    assert f"no thumbnails: {why}" in result.err.splitlines()
    assert f"There are no thumbnails: {why}." in page.read_text(encoding="utf-8")
    assert "do these belong?" in page.read_text(encoding="utf-8")
    why = "thumbnails/thumbnails.json is missing"
    profile.thumbnail_count, profile.thumbnail_damage = 0, why
    assert f"no thumbnails: {why}" in cli("profile", "show", "landscapes").err.splitlines()
    (facts,) = cli("profile", "show", "landscapes", "--json").objects()
    assert facts["thumbnails_unusable"] == why
    assert facts["least_typical_unknown"] is None


def test_show_draws_a_map_with_what_was_kept(cli, services, photos, tmp_path):
    """Liked, background and the profile's kept images of its encoder and precision; PNG and SVG by the name's end."""
    cli("profile", "fit", "landscapes", photos, "--background", photos)
    image, other = kept_image("a.jpg"), kept_image("b.jpg", profile="cats")
    services.crawler.kept = [image, other]
    embedding = services.novelty.fits[0][1][0]
    services.crawler.embeddings[image.digest] = embedding
    result = cli("profile", "show", "landscapes", "--map", tmp_path / "map.PNG")
    assert result.status == 0
    with Image.open(tmp_path / "map.PNG") as picture:
        assert picture.size == (1200, 900)
    assert services.novelty.mapped == [[embedding]]
    assert cli("profile", "show", "landscapes", "--map", tmp_path / "map.svg").status == 0
    words = " ".join(ET.parse(tmp_path / "map.svg").getroot().itertext())
    assert "kept by crawls, the newest: 1," in words


def test_show_refuses_a_map_of_another_kind(cli, services, tmp_path):
    """A name that ends in neither .png nor .svg, before anything is asked."""
    result = cli("profile", "show", "landscapes", "--map", tmp_path / "map.gif")
    assert result.status == 2
    assert "must end in .png or .svg" in result.err
    assert not (tmp_path / "map.gif").exists()


def test_show_refuses_the_map_of_a_profile_that_knows_no_photos(cli, services, photos, tmp_path):
    """The server's sentence has the way out."""
    cli("profile", "fit", "landscapes", photos)
    services.novelty.forgets_liked = True
    result = cli("profile", "show", "landscapes", "--map", tmp_path / "map.svg")
    assert result.status == 1
    assert result.err == (
        "error: landscapes@1 was fitted before profiles kept their liked images: fit it again\n"
    )


def test_show_writes_a_page(cli, services, photos, tmp_path):
    """--report: the promise, the photos by name, and the map, on one page."""
    cli("profile", "fit", "landscapes", photos, "--background", photos)
    assert cli("profile", "show", "landscapes", "--report", tmp_path / "a.html").status == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "landscapes@1" in page
    assert "do these belong?" in page
    assert "<bdi>more/<wbr>last.PNG</bdi>" in page
    assert page.count("<svg ") == 3


@pytest.mark.parametrize("option", ["--svg", "--map", "--report"])
def test_show_names_a_file_that_cannot_be_written(cli, services, photos, tmp_path, option):
    """One line with its path."""
    cli("profile", "fit", "landscapes", photos)
    path = tmp_path / "no" / "a.svg"
    result = cli("profile", "show", "landscapes", option, path)
    assert result.status == 1
    assert result.err == f"error: {path}: cannot be written: No such file or directory\n"


@pytest.mark.parametrize("option", ["--png", "--svg", "--report"])
def test_show_names_the_file_that_a_full_disk_does_not_take(cli, services, photos, option):
    """One line, by a device that is always full."""
    cli("profile", "fit", "landscapes", photos)
    result = cli("profile", "show", "landscapes", option, "/dev/full")
    assert result.status == 1
    assert result.err == "error: /dev/full: cannot be written: No space left on device\n"


def test_show_of_an_absurd_threshold_is_no_wider_than_a_terminal(cli, services, photos, tmp_path):
    """Facts, histogram and pictures."""
    cli("profile", "fit", "landscapes", photos)
    services.novelty._profiles["landscapes"][0].threshold_nats = 1e308
    files = ("--svg", tmp_path / "a.svg", "--report", tmp_path / "a.html")
    result = cli("profile", "show", "landscapes", *files)
    assert result.status == 0
    assert max(map(len, result.out.splitlines())) < 120


def test_show_draws_a_map_without_a_crawler(cli, services, photos, tmp_path, monkeypatch):
    """What is lacking is noted; the map is there."""
    cli("profile", "fit", "landscapes", photos)
    monkeypatch.setenv("LODESTONE_CRAWLER", "127.0.0.1:1")
    result = cli("profile", "show", "landscapes", "--map", tmp_path / "map.svg")
    assert result.status == 0
    assert "no kept photos are on the map: cannot reach the crawler service" in result.err
    assert (tmp_path / "map.svg").exists()


def test_show_leaves_kept_photos_of_another_encoder_off_the_map(cli, services, photos, tmp_path):
    """They are counted in a note; those that have no embedding as well."""
    cli("profile", "fit", "landscapes", photos)
    services.crawler.kept = [kept_image("a.jpg"), kept_image("b.jpg")]
    result = cli("profile", "show", "landscapes", "--map", tmp_path / "map.svg")
    assert result.status == 0
    assert "2 kept photos not on the map: not embedded by the profile's encoder" in result.err
    assert services.novelty.mapped == [[]]
