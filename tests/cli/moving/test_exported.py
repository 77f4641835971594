"""Folders that somebody asks to import."""

from __future__ import annotations

import json
import tarfile

import pytest

from lodestone.cli.moving.export_folder import opened
from lodestone.cli.moving.exported import read_export, read_rows
from lodestone.cli.moving.exported_row import row_of
from lodestone.cli.moving.found_row import FoundRow
from lodestone.cli.moving.manifest import Horizon, ShardEntry, Terms
from tests.cli.moving.made import exported


def strangers(folder):
    """A tar file that others made."""
    folder.mkdir()
    with tarfile.open(folder / "00000.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("000000000.jpg"))
    return folder


def test_tar_files_of_others(cli, tmp_path):
    """They are what `crawl webdataset:` is for, and the error says so."""
    folder = strangers(tmp_path / "laion")
    for path in (folder, folder / "00000.tar"):
        refused = cli("import", path)
        assert (refused.status, refused.err.count("\n")) == (1, 1)
        assert f"`lodestone crawl webdataset:{path}`" in refused.err


def begun(path, terms=Terms("folder"), *, finished=True):
    with opened(path, terms) as folder:
        folder.begin(Horizon(0, "", "2026-11-26T10:00:00Z"))
        if finished:
            folder.finish({})
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path, "there is no folder"),
        (lambda path: path.write_bytes(b"x"), "there is no folder"),
        (lambda path: path.mkdir(), "no export of Lodestone"),
        (lambda path: begun(path, finished=False), "did not come to its end"),
        (lambda path: begun(path, Terms("parquet", with_bytes=False)), "without bytes"),
    ],
)
def test_what_cannot_be_imported(make, reason, cli, tmp_path):
    """One line that says why, before any crawler is asked."""
    make(tmp_path / "export")
    refused = cli("import", tmp_path / "export")
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    assert reason in refused.err


def test_a_format_that_is_not_known(cli, tmp_path):
    """Of a later version, say."""
    path = begun(tmp_path / "export")
    manifest = path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"folder"', '"zip"'))
    refused = cli("import", path)
    assert "the format 'zip', which is not known here" in refused.err


@pytest.fixture(params=["folder", "webdataset", "parquet"])
def shard(request, tmp_path):
    """The one shard of an export of three images; its folder is the export."""
    terms = Terms(request.param)
    with opened(tmp_path / "export", terms) as folder:
        folder.begin(Horizon(3, "a" * 64, "2026-11-26T10:00:00Z"))
        name = folder.next_name()
        writer = folder.format.open_writer(folder.part())
        for seed in range(3):
            writer.add(row_of(exported(seed)))
        sealed = writer.seal()
        folder.add(ShardEntry(name, 3, sealed.size_bytes, sealed.sha256, 1, 3), {})
        folder.finish({})
    return tmp_path / "export" / name


def flip(shard):
    path = shard / "SHA256SUMS" if shard.is_dir() else shard
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_manifest(shard, **fields):
    path = shard.parent / "manifest.json"
    facts = json.loads(path.read_text())
    facts["shards"][0] |= fields
    facts["image_count"] = facts["shards"][0]["image_count"]
    path.write_text(json.dumps(facts))


def test_a_damaged_shard_is_many_images(shard, cli, services):
    """The reason says how to read what can be read; the count is one of images, and one of parts."""
    flip(shard)
    refused = cli("import", shard.parent)
    assert refused.status == 1
    assert "; 0 of its 3 images were read (--salvage reads what can be read)" in refused.err
    assert refused.out == "of 3 exported images: 3 rejected; rejected of the export: 1 part\n"
    summary = cli("import", shard.parent, "--json").objects()[-1]["summary"]
    assert (summary["rejected_count"], summary["rejected_part_count"]) == (3, 1)


def test_a_shard_that_is_gone(shard, cli, services):
    """There is nothing to salvage."""
    shard.rename(shard.parent.parent / "elsewhere")
    refused = cli("import", shard.parent)
    assert refused.out.startswith("of 3 exported images: 3 rejected")
    assert "--salvage" not in refused.err


@pytest.mark.parametrize("salvage", [False, True])
def test_a_shard_that_is_a_link(shard, salvage):
    """It is not followed, whatever is to be salvaged."""
    shard.rename(shard.parent.parent / "elsewhere")
    shard.symlink_to(shard.parent.parent / "elsewhere")
    [refused] = read_rows(shard.parent, read_export(shard.parent), salvage=salvage)
    assert refused.reason.startswith("it is a link, and links are not followed")


@pytest.mark.parametrize("count", [2, 5])
def test_a_shard_that_has_other_images_than_the_manifest_says(shard, count):
    """That is noticed, and what is there is read."""
    change_manifest(shard, image_count=count)
    *rows, refused = read_rows(shard.parent, read_export(shard.parent), salvage=False)
    assert [type(row) for row in rows] == [FoundRow] * 3
    assert refused.reason == f"it has 3 images, and the manifest says {count}"
