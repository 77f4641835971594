from __future__ import annotations

import pytest

from services.crawler.bulk.shards import shards_of
from services.servicekit.errors import Misconfigured


def folder_of(tmp_path, *names):
    for name in names:
        (tmp_path / name).touch()
    return tmp_path


def test_each_shard_belongs_to_one_part(tmp_path):
    """Whatever the number of parts is."""
    folder = folder_of(tmp_path, *(f"part-{number:05}.parquet" for number in range(11)))
    for count in (1, 2, 3, 8, 11, 20):
        found = [shard for index in range(count) for shard in shards_of(folder, index, count)]
        assert sorted(found) == sorted(folder.iterdir())


def test_by_name_and_only_parquet(tmp_path):
    """In whatever order the folder lists them."""
    folder = folder_of(tmp_path, "c.parquet", "a.PARQUET", "b.parquet", "_SUCCESS", "a.parquet.crc")
    assert [path.name for path in shards_of(folder, 0, 2)] == ["a.PARQUET", "c.parquet"]
    assert [path.name for path in shards_of(folder, 1, 2)] == ["b.parquet"]


def test_a_part_may_have_none(tmp_path):
    """Where there are more parts than shards."""
    assert shards_of(folder_of(tmp_path, "a.parquet"), 1, 2) == []


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_a_part_that_is_none(tmp_path, index, count):
    """One line says so."""
    with pytest.raises(Misconfigured, match=f"no part {index} of {count}"):
        shards_of(folder_of(tmp_path, "a.parquet"), index, count)


def test_folders_without_shards(tmp_path):
    """Empty or not there: nobody mines nothing without a word."""
    with pytest.raises(Misconfigured, match="no .parquet file"):
        shards_of(tmp_path, 0, 1)
    with pytest.raises(Misconfigured, match="cannot be listed: No such file"):
        shards_of(tmp_path / "gone", 0, 1)
