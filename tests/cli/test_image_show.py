"""`lodestone images show` against a fake crawler."""

from __future__ import annotations

import pytest

from lodestone.crawler.v1.kept_image_pb2 import FILE_STATE_LOST, FILE_STATE_REMOVED
from lodestone.image.v1.image_pb2 import Image
from tests.cli.crawler_messages import kept_image
from tests.cli.fake_embedder import embedding_of


@pytest.fixture
def kept(services):
    """One image that two profiles keep, without an embedding."""
    services.crawler.kept = [
        kept_image("lake_ababab.jpg"),
        kept_image("water_ababab.jpg", profile="water"),
    ]
    listing = services.crawler.kept[0].listing
    listing.title, listing.author = "A lake\x1b[31m", "Somebody"
    listing.page_url = "https://example.org/lake"
    return services.crawler.kept


def test_an_object_for_each_profile(cli, services, kept, tmp_path):
    """All that `images list --json` has, what embedded it, and the files that are there."""
    [listed, _] = cli("images", "list", "--json").objects()
    blob = tmp_path / "data" / "blobs" / "ab" / ("ab" * 32)
    name = tmp_path / "data" / "kept" / "landscapes" / "lake_ababab.jpg"
    for path in (blob, name):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(123_456))
    first, second = cli("images", "show", "ABABABAB", "--json").objects()
    assert first == {
        **listed,
        "encoder_id": None,
        "precision": None,
        "file": str(name),
        "blob": str(blob),
        "damage": None,
    }
    assert (second["profile_name"], second["file"]) == ("water", None)
    services.crawler.embeddings = {"ab" * 32: embedding_of(Image(encoded=b"lake"))}
    first, _ = cli("images", "show", "ab" * 32, "--json").objects()
    assert (first["encoder_id"], first["precision"]) == ("e" * 64, "FP32")


def test_a_table_for_people(cli, kept):
    """What it is, why it was kept, where it came from; nothing of it rules the terminal."""
    result = cli("images", "show", "ab" * 32)
    assert result.status == 0
    rows = dict(line.strip().split(maxsplit=1) for line in result.out.splitlines() if line.strip())
    assert rows["digest"] == "ab" * 32
    assert rows["size"] == "1600×1200, 123,456 bytes"
    assert rows["verdict"] == "accepted, 2026-11-22 10:00"
    assert rows["title"].startswith("A lake")
    assert rows["author"] == "Somebody"
    assert "\x1b" not in result.out
    assert "landscapes@1" in result.out
    assert "water@1" in result.out


def test_a_file_that_somebody_removed_is_marked(cli, kept):
    """The readable name with what became of it; one that is only on another machine is just named."""
    kept[0].file_state = FILE_STATE_REMOVED
    out = cli("images", "show", "abababab").out
    assert "removed: lake_ababab.jpg" in out
    assert "present" not in out
    assert "water_ababab.jpg" in out


@pytest.mark.parametrize(("blob_bytes", "name_bytes"), [(0, 123_456), (123_456, 99)])
def test_a_file_of_another_size_is_told(cli, kept, tmp_path, blob_bytes, name_bytes):
    """Whichever of the two it is: somebody has cut it off or written over it."""
    blob = tmp_path / "data" / "blobs" / "ab" / ("ab" * 32)
    name = tmp_path / "data" / "kept" / "landscapes" / "lake_ababab.jpg"
    for path, size_bytes in ((blob, blob_bytes), (name, name_bytes)):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(size_bytes))
    wrong, size_bytes = (blob, 0) if blob_bytes == 0 else (name, 99)
    [facts, _] = cli("images", "show", "abababab", "--json").objects()
    assert facts["damage"].startswith(f"{wrong} has {size_bytes} bytes and not 123,456: restore")
    assert f"{size_bytes} bytes and not 123,456" in cli("images", "show", "abababab").out


def test_lost_bytes_are_told(cli, kept, tmp_path):
    """Also where the readable name is still there."""
    kept[0].file_state = FILE_STATE_LOST
    name = tmp_path / "data" / "kept" / "landscapes" / "lake_ababab.jpg"
    name.parent.mkdir(parents=True)
    name.write_bytes(bytes(123_456))
    first, second = cli("images", "show", "abababab", "--json").objects()
    assert first["damage"].startswith("its stored bytes are gone: ")
    assert second["damage"] is None
    assert "its stored bytes are gone" in cli("images", "show", "abababab").out


def test_an_image_that_is_not_kept(cli, kept):
    """One line and exit status 1."""
    result = cli("images", "show", "cd" * 32, "--json")
    assert (result.status, result.out) == (1, "")
    assert result.err == f"error: there is no kept image '{'cd' * 32}'\n"


def test_a_store_on_s3(cli, kept):
    """Where its files are, as other programs are told; not what was removed or lost."""
    for image in kept:
        image.store_address = "s3://bucket/prefix"
    kept[1].file_state = FILE_STATE_REMOVED
    first, second = cli("images", "show", "ab" * 32, "--json").objects()
    assert first["file"] == "s3://bucket/prefix/kept/landscapes/lake_ababab.jpg"
    assert first["blob"] == f"s3://bucket/prefix/blobs/ab/{'ab' * 32}"
    assert (second["file"], second["blob"]) == (None, first["blob"])
    out = cli("images", "show", "ab" * 32).out
    assert first["file"] in out
    assert "removed: water_ababab.jpg" in out
    kept[0].file_state = FILE_STATE_LOST
    [lost, _] = cli("images", "show", "ab" * 32, "--json").objects()
    assert (lost["file"], lost["blob"]) == (None, None)
