"""`lodestone duplicates` against a fake crawler."""

from __future__ import annotations

import hashlib

import pytest

from lodestone.crawler.v1 import duplicate_image_pb2
from lodestone.crawler.v1.duplicate_image_pb2 import DuplicateImage, DuplicateReport
from tests.cli.conftest import png
from tests.cli.crawler_messages import kept_image

KEPT, PURGED, LIKED = "ab" * 32, "cd" * 32, "ef" * 32


@pytest.fixture
def pictures(services, tmp_path):
    """A file with three duplicates, one without, a flat one, and one that is no image."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        (folder / name).write_bytes(png(2, 2 + number))
    (folder / "d.txt").write_text("no image")
    near = [
        DuplicateImage(
            digest=KEPT,
            memory=duplicate_image_pb2.DUPLICATE_MEMORY_KEPT,
            distance_64=2,
            distance_256=17,
            mirrored=True,
            kept_images=[kept_image("lake.jpg"), kept_image("lake.jpg", profile="sunsets")],
        ),
        DuplicateImage(
            digest=PURGED,
            memory=duplicate_image_pb2.DUPLICATE_MEMORY_PURGED,
            distance_64=5,
            distance_256=44,
        ),
        DuplicateImage(
            digest=LIKED,
            memory=duplicate_image_pb2.DUPLICATE_MEMORY_MARKED,
            profile_name="landscapes",
        ),
    ]
    services.crawler.duplicates = {
        (folder / "a.png").read_bytes(): DuplicateReport(perceptual_hash="1f", duplicates=near),
        (folder / "b.png").read_bytes(): DuplicateReport(perceptual_hash="2f"),
        (folder / "c.png").read_bytes(): DuplicateReport(perceptual_hash="3f", flat=True),
    }
    return folder


def test_objects_name_the_pair_and_the_distances(cli, pictures, tmp_path):
    """--json: one object a file, with all that is near it and where the kept one came from."""
    kept = tmp_path / "data" / "kept" / "landscapes" / "lake.jpg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"the kept one")
    result = cli("duplicates", pictures, "--json")
    assert result.status == 0
    with_some, without, flat, text = result.objects()
    assert with_some["path"] == str(pictures / "a.png")
    assert with_some["digest"] == hashlib.sha256((pictures / "a.png").read_bytes()).hexdigest()
    first, second, third = with_some["duplicates"]
    assert {name: first[name] for name in list(first)[:6]} == {
        "digest": KEPT,
        "memory": "KEPT",
        "profile_name": "",
        "distance_64": 2,
        "distance_256": 17,
        "mirrored": True,
    }
    assert [one["profile_name"] for one in first["kept"]] == ["landscapes", "sunsets"]
    assert [one["file"] for one in first["kept"]] == [str(kept), None]
    assert first["kept"][0]["url"] == "file:///photos/a.jpg"
    assert first["kept"][0]["file_state"] == "PRESENT"
    assert (second["digest"], second["memory"], second["kept"]) == (PURGED, "PURGED", [])
    assert (third["memory"], third["profile_name"]) == ("MARKED", "landscapes")
    assert (without["duplicates"], without["flat"]) == ([], False)
    assert (flat["duplicates"], flat["flat"]) == ([], True)
    assert list(text) == ["path", "verdict", "reason"]
    assert text["verdict"] == "UNSUPPORTED_FORMAT"


def test_the_table_has_a_row_for_each_pair(cli, pictures, tmp_path):
    """For people: the two files, why the other is remembered, the bits, whether it is turned, where it came from."""
    kept = tmp_path / "data" / "kept" / "landscapes" / "lake.jpg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"the kept one")
    result = cli("duplicates", pictures)
    assert result.status == 0
    words = " ".join(result.out.split())
    assert "kept for landscapes, sunsets 2 17 mirrored file:///photos/a.jpg" in words
    assert f"{PURGED[:12]} purged 5 44" in words
    assert f"{LIKED[:12]} marked for landscapes 0 0" in words
    assert "nothing known " in words
    assert "nothing known, it is flat " in words
    assert "unsupported format: " in words
    assert "{" not in result.out


def test_a_file_that_is_not_there_is_one_line(cli, services, tmp_path):
    """Nothing is looked up."""
    result = cli("duplicates", tmp_path / "nope.jpg", "--json")
    assert result.status == 1
    assert result.err == f"error: there is no file or folder {tmp_path / 'nope.jpg'}\n"
    assert result.out == ""
