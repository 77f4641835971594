from __future__ import annotations

from pathlib import Path

import pytest

from services.crawler.fetch.shard_paths import (
    TooManyShards,
    is_pattern,
    is_shard_of,
    list_shards,
    pattern_paths,
)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("/s.tar", ["/s.tar"]),
        ("/{8..11}.tar", ["/8.tar", "/9.tar", "/10.tar", "/11.tar"]),
        ("/s-{08..11}.tar", ["/s-08.tar", "/s-09.tar", "/s-10.tar", "/s-11.tar"]),
        ("/{a,b}/{0..1}.tar", ["/a/0.tar", "/a/1.tar", "/b/0.tar", "/b/1.tar"]),
        ("/{2..1}.tar", []),
        ("/{x}{}{1..}.tar", ["/{x}{}{1..}.tar"]),
        ("/{x}{1..2}.tar", ["/{x}1.tar", "/{x}2.tar"]),
    ],
)
def test_patterns(pattern: str, paths: list[str]) -> None:
    """Ranges with and without zeros, choices, several of them; other braces are just braces."""
    assert list(pattern_paths(pattern)) == paths
    assert is_pattern(pattern) == (paths != [pattern])


@pytest.mark.parametrize(
    "pattern", ["/{0..999999999}.tar", "/{0..999}{0..999}.tar", "/" + "{a,b}" * 60]
)
def test_patterns_have_a_bound(pattern: str) -> None:
    """More than 100,000 files are refused before they are counted."""
    with pytest.raises(TooManyShards):
        pattern_paths(pattern)


def test_what_is_there_in_order(tmp_path: Path) -> None:
    """Of a folder its visible .tar files, of a pattern those that exist; links are left out."""
    for name in ("b.tar", "a.TAR", ".c.tar", "d.txt"):
        (tmp_path / name).touch()
    (tmp_path / "e.tar").mkdir()
    (tmp_path / "f.tar").symlink_to(tmp_path / "b.tar")
    assert [path.name for path in list_shards(str(tmp_path))] == ["a.TAR", "b.tar"]
    assert [path.name for path in list_shards(f"{tmp_path}/{{f,b,z}}.tar")] == ["b.tar"]


def test_a_pattern_leads_through_no_link(tmp_path: Path) -> None:
    """Only what is given as it stands was looked at by whoever says which files may be read."""
    folder = tmp_path.resolve()
    (folder / "out").mkdir()
    (folder / "out" / "a.tar").touch()
    (folder / "way").symlink_to(folder / "out")
    assert list_shards(f"{folder}/{{way,out}}/{{a,b}}.tar") == [folder / "out" / "a.tar"]


def test_which_file_belongs(tmp_path: Path) -> None:
    """Only what a name stands for."""
    folder = str(tmp_path)
    assert is_shard_of(folder, tmp_path / "x.tar")
    assert not is_shard_of(folder, tmp_path / "x.jpg")
    assert not is_shard_of(folder, tmp_path / "deep" / "x.tar")
    assert is_shard_of(f"{folder}/x.tar", tmp_path / "x.tar")
    assert not is_shard_of(f"{folder}/x.tar", tmp_path / "y.tar")
    assert is_shard_of(f"{folder}/{{0..2}}.tar", tmp_path / "1.tar")
    assert not is_shard_of(f"{folder}/{{0..2}}.tar", tmp_path / "3.tar")
