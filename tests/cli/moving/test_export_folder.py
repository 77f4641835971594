"""The folder of an export, whatever was in it before."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.moving.export_folder import opened
from lodestone.cli.moving.exported_row import row_of
from lodestone.cli.moving.manifest import Horizon, ShardEntry, Terms
from tests.cli.moving.made import exported

TERMS = Terms("webdataset")
HORIZON = Horizon(9, "a" * 64, "2026-11-26T10:00:00Z")


def add_shard(folder, seed):
    name = folder.next_name()
    writer = folder.format.open_writer(folder.part())
    writer.add(row_of(exported(seed)))
    sealed = writer.seal()
    entry = ShardEntry(name, 1, sealed.size_bytes, sealed.sha256, seed + 1, seed + 1)
    folder.add(entry, {})


def with_shards(path, terms, count=2):
    """An export that came to its end; returns the paths of its shards."""
    with opened(path, terms) as folder:
        folder.begin(HORIZON)
        for seed in range(count):
            add_shard(folder, seed)
        folder.finish({})
    return [path / shard.name for shard in folder.current.shards]


def gone(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1])


def linked(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def in_folder(change, suffix):
    return lambda path: change(next(path.glob(f"*{suffix}")))


def names(path):
    return sorted(one.name for one in path.iterdir())


def test_what_was_broken_off_goes_on_behind_its_last_shard(tmp_path):
    """A part that a crash left goes away, and so does a shard that nothing lists yet, once it is written again."""
    path = tmp_path / "new" / "export"
    with opened(path, TERMS) as folder:
        folder.begin(HORIZON)
        add_shard(folder, 0)
        folder.part().write_bytes(b"half")
        (path / "shard-000001.tar").write_bytes(b"placed, and not listed")
    with opened(path, TERMS) as folder:
        assert (folder.reached, folder.current.horizon) == (1, HORIZON)
        folder.begin(replace(HORIZON, sequence=99))
        assert folder.current.horizon == HORIZON
        assert names(path) == ["progress.json", "shard-000000.tar", "shard-000001.tar"]
        add_shard(folder, 1)
        folder.finish({"b" * 64: "gone"})
    assert names(path) == ["manifest.json", "shard-000000.tar", "shard-000001.tar"]
    manifest = json.loads((path / "manifest.json").read_text())
    assert [one["last_sequence"] for one in manifest["shards"]] == [1, 2]
    assert manifest["left_out"] == {"b" * 64: "gone"}
    assert (path / "shard-000001.tar").read_bytes() != b"placed, and not listed"


def test_a_kill_between_the_manifest_and_the_end(tmp_path):
    """The export that came to its end is not done again."""
    with opened(tmp_path, TERMS) as folder:
        folder.begin(HORIZON)
        add_shard(folder, 0)
        progress = (tmp_path / "progress.json").read_bytes()
        folder.finish({})
    (tmp_path / "progress.json").write_bytes(progress)
    with opened(tmp_path, TERMS) as folder:
        assert (folder.current, folder.reached) == (None, 0)
        assert folder.earlier.horizon == HORIZON
    assert names(tmp_path) == ["manifest.json", "shard-000000.tar"]


def test_another_selection_is_another_export(tmp_path):
    """The error names what differs."""
    with opened(tmp_path, TERMS) as folder:
        folder.begin(HORIZON)
    with (
        pytest.raises(CliError, match=r"other terms \(profile '', not 'cats'\)"),
        opened(tmp_path, replace(TERMS, profile="cats")),
    ):
        pass


def test_a_folder_of_somebody_else(tmp_path):
    """Nothing in it is touched."""
    (tmp_path / "photo.jpg").write_bytes(b"x")
    (tmp_path / "download.part").write_bytes(b"y")
    with (
        pytest.raises(CliError, match="is not empty, and holds no export"),
        opened(tmp_path, TERMS),
    ):
        pass
    assert names(tmp_path) == ["download.part", "photo.jpg"]


def test_two_at_a_time(tmp_path):
    """The second one is refused."""
    with (
        opened(tmp_path, TERMS),
        pytest.raises(CliError, match="another process exports"),
        opened(tmp_path, TERMS),
    ):
        pass


@pytest.mark.parametrize(
    ("word", "damage", "reason"),
    [
        *((word, gone, "it is gone") for word in ("folder", "webdataset", "parquet")),
        *((word, cut, "bytes instead of") for word in ("webdataset", "parquet")),
        *((word, linked, "it is a link") for word in ("webdataset", "parquet")),
        ("folder", linked, "it is no folder"),
        ("folder", in_folder(gone, ".jpg"), r"its file .*\.jpg: it is gone"),
        ("folder", in_folder(gone, ".npy"), r"its file .*\.npy: it is gone"),
        ("folder", in_folder(linked, ".json"), r"its file .*\.json: it is a link"),
        ("folder", in_folder(cut, ".jpg"), "its files have .* bytes instead of"),
        ("folder", in_folder(cut, "SHA256SUMS"), "its SHA256SUMS is not what was exported"),
    ],
)
def test_a_shard_that_is_not_there_any_more(word, damage, reason, tmp_path):
    """The export is not whole, and nothing is added to it: the error names the shard, and what to do."""
    terms = Terms(word)
    shards = with_shards(tmp_path / "export", terms)
    with opened(tmp_path / "export", terms):
        pass
    damage(shards[1])
    text = f"{re.escape(shards[1].name)}: .*{reason}.*; put the shard back from a copy, or export"
    with pytest.raises(CliError, match=text), opened(tmp_path / "export", terms):
        pass


def test_a_shard_of_a_folder_with_more_in_it(tmp_path):
    """What a file manager leaves there is nobody's loss."""
    first, _ = with_shards(tmp_path / "export", Terms("folder"))
    (first / ".DS_Store").write_bytes(b"x")
    with opened(tmp_path / "export", Terms("folder")):
        pass


def test_what_was_left_out_is_noted_anew(tmp_path):
    """What the next export does not find missing is not left out any more."""
    for left_out in ({"a" * 64: "gone", "b" * 64: "gone"}, {"b" * 64: "gone"}, {}):
        with opened(tmp_path, TERMS) as folder:
            folder.begin(HORIZON)
            folder.finish(left_out)
        assert json.loads((tmp_path / "manifest.json").read_text())["left_out"] == left_out


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    """The error names the folder, and what is in its way."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CliError, match="file is no folder"), opened(tmp_path / "file", TERMS):
        pass

    def mkdir(*_, **__):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    text = f"the folder {tmp_path}/x cannot be made: {tmp_path} takes no new folders"
    with pytest.raises(CliError, match=text), opened(tmp_path / "x", TERMS):
        pass
