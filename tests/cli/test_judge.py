"""`lodestone judge` against a fake crawler."""

from __future__ import annotations

import os
import signal

import pytest

from lodestone.novelty.v1.profile_pb2 import ImageLabel, LikedImage, LikedNeighbour
from tests.cli.conftest import png

FIELDS = [
    "path",
    "verdict",
    "reason",
    "log_likelihood",
    "percentile",
    "watermark_probability",
    "quadrant_probabilities",
    "perceptual_hash",
    "width_px",
    "height_px",
]


@pytest.fixture
def mixed(tmp_path):
    """Two images (the second one off the profile), and one of every kind of file that is none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    image = png(8, 8)
    (folder / "a.png").write_bytes(
        image if len(image) % 2 == 0 else image[:-12] + b"x" + image[-12:]
    )
    even = (folder / "a.png").read_bytes()
    (folder / "b.png").write_bytes(even[:-12] + b"x" + even[-12:])
    (folder / "c.txt").write_text("no image")
    (folder / "d.png").write_bytes(even[:40])
    (folder / "e.jpg").write_bytes(b"")
    (folder / "f.jpg").touch()
    os.truncate(folder / "f.jpg", 20_000_001)
    return folder


def test_every_file_gets_an_object_with_the_fields_of_the_design(cli, services, mixed):
    """--json: all ten fields in order for images, null where not computed; three fields for what is no image."""
    result = cli("judge", mixed, "--profile", "landscapes", "--json")
    assert result.status == 0
    accepted, off_profile, text, truncated, empty, huge = result.objects()
    assert list(accepted) == FIELDS
    assert accepted["path"] == str(mixed / "a.png")
    assert accepted["verdict"] == "ACCEPTED"
    assert accepted["quadrant_probabilities"] == [0.125, 0.0, 0.0, 0.0]
    assert accepted["perceptual_hash"] == "0123456789abcdef"
    assert list(off_profile) == FIELDS
    assert off_profile["verdict"] == "OFF_PROFILE"
    assert off_profile["log_likelihood"] == -3.0
    assert off_profile["watermark_probability"] is None
    assert off_profile["quadrant_probabilities"] is None
    assert [list(one) for one in (text, truncated, empty, huge)] == [
        ["path", "verdict", "reason"]
    ] * 4
    assert text["verdict"] == "UNSUPPORTED_FORMAT"
    assert truncated["verdict"] == "TRUNCATED"
    assert empty["verdict"] == "UNSUPPORTED_FORMAT"
    assert huge["verdict"] == "TOO_MANY_BYTES"
    assert "20,000,001 bytes" in huge["reason"]


def test_options_reach_the_crawler(cli, services, mixed):
    """--all-gates fills every score, --screen is passed on."""
    result = cli(
        "judge", mixed / "b.png", "--profile", "landscapes", "--all-gates", "--screen", "--json"
    )
    assert result.objects()[0]["quadrant_probabilities"] == [0.0, 0.0, 0.0, 0.25]
    assert services.crawler.judged[0].all_gates
    assert services.crawler.judged[0].screen


@pytest.fixture
def nearest(services):
    """Three liked photos: one with a name, one with a digest, one of which only its place is known."""
    services.crawler.nearest = [
        LikedNeighbour(
            image=LikedImage(position=position, label=ImageLabel(name=name, digest=digest)),
            cosine_similarity=similarity,
        )
        for position, name, digest, similarity in [
            (3, "lake\x1b[31m.jpg", "ab" * 32, 0.9375),
            (0, "", "cd" * 32, 0.5),
            (1_041, "", "", -0.25),
        ]
    ]


@pytest.mark.usefixtures("nearest")
def test_explained_objects_name_the_nearest_liked_photos(cli, services, mixed):
    """--explain is passed on and adds one field; what is no image has none."""
    result = cli("judge", mixed, "--profile", "landscapes", "--explain", "--json")
    accepted, off_profile, text, *_ = result.objects()
    assert services.crawler.judged[0].explain
    assert list(accepted) == [*FIELDS, "nearest_liked"]
    assert accepted["nearest_liked"] == [
        {
            "position": 3,
            "name": "lake\x1b[31m.jpg",
            "digest": "ab" * 32,
            "cosine_similarity": 0.9375,
        },
        {"position": 0, "name": "", "digest": "cd" * 32, "cosine_similarity": 0.5},
        {"position": 1041, "name": "", "digest": "", "cosine_similarity": -0.25},
    ]
    assert len(off_profile["nearest_liked"]) == 3
    assert list(text) == ["path", "verdict", "reason"]
    unasked = cli("judge", mixed / "a.png", "--profile", "landscapes", "--json").objects()[0]
    assert list(unasked) == FIELDS


@pytest.mark.usefixtures("nearest")
def test_explanations_are_said_in_words(cli, services, mixed):
    """For people: verdict, percentile and photos, a line each; photos without a name by what there is of them."""
    result = cli("judge", mixed, "--profile", "landscapes", "--explain")
    assert result.status == 0
    assert result.out.splitlines()[:4] == [
        f"{mixed / 'a.png'}: accepted, fits",
        "  percentile 40: of new photos like the liked ones, at most 40% fit as badly as this or worse",
        "  nearest liked photos, by similarity: lake�[31m.jpg (0.94), cdcdcdcdcdcd (0.50), number 1,042 (-0.25)",
        f"{mixed / 'b.png'}: off profile, -3.00 nats are under the threshold of 8.00",
    ]
    assert f"{mixed / 'c.txt'}: unsupported format, not an image by its first bytes" in result.out


def test_many_files_come_in_their_order(cli, services, tmp_path):
    """200 files, many in flight at once: one line each, sorted."""
    for index in range(200):
        (tmp_path / f"{index:03}.png").write_bytes(png(1, 1 + index % 7))
    result = cli("judge", tmp_path, "--profile", "landscapes", "--json")
    assert [one["path"] for one in result.objects()] == [
        str(tmp_path / f"{index:03}.png") for index in range(200)
    ]


def test_what_cannot_be_opened_gets_a_line(cli, services, tmp_path):
    """A pipe costs a line, and nothing hangs."""
    os.mkfifo(tmp_path / "pipe")
    result = cli("judge", tmp_path / "pipe", "--profile", "landscapes", "--json")
    assert result.status == 0
    [pipe] = result.objects()
    assert (pipe["verdict"], pipe["reason"]) == ("UNREADABLE", "not a regular file")


def test_the_table_shows_verdicts_and_reasons(cli, services, mixed):
    """For people: a row per file, and not a single line of JSON."""
    result = cli("judge", mixed, "--profile", "landscapes")
    assert result.status == 0
    row = next(line for line in result.out.splitlines() if "b.png" in line)
    assert "off profile" in row
    assert "-3.00" in row
    assert "under the threshold" in row
    assert "{" not in result.out


def test_paths_with_nothing_to_judge_are_told_all_at_once(cli, services, mixed, tmp_path):
    """Nothing is judged when a path is not there or a folder is empty; one line each."""
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / "nope", mixed / "a.png", tmp_path / "empty", tmp_path / "neither"]
    result = cli("judge", *paths, "--profile", "landscapes", "--json")
    assert result.status == 1
    assert result.err.splitlines() == [
        f"error: there is no file or folder {tmp_path / 'nope'}",
        f"error: the folder {tmp_path / 'empty'} is empty",
        f"error: there is no file or folder {tmp_path / 'neither'}",
    ]
    assert result.out == ""


def test_an_unknown_profile_is_one_line(cli, services, mixed):
    """NOT_FOUND on the stream is the server's sentence."""
    result = cli("judge", mixed / "a.png", "--profile", "cats", "--json")
    assert result.status == 1
    assert result.err == "error: there is no profile 'cats'\n"


def test_names_that_rule_terminals_are_defused(cli, services, tmp_path):
    """A file name with an escape sequence reaches the table without it, and JSON escaped."""
    path = tmp_path / "a\x1b[31mred.png"
    path.write_bytes(png(2, 2))
    assert "\x1b" not in cli("judge", path, "--profile", "landscapes").out
    assert cli("judge", path, "--profile", "landscapes", "--json").objects()[0]["path"] == str(path)


def test_ctrl_c_ends_without_a_traceback(services, start_cli, mixed, tmp_path):
    """SIGINT while the crawler takes its time: exit status 130 and silence."""
    services.crawler.silent.set()
    process = start_cli("judge", mixed, "--profile", "landscapes")
    assert services.crawler.judging.wait(30)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert (tmp_path / "err").read_text() == ""
