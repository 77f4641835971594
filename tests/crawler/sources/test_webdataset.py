from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.tar_file import read_listed_member
from services.crawler.listing import Listing, host_of
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, SourceFailed
from services.crawler.sources.webdataset import WebDatasetSource
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.shards import add, write_shard

ROOT = Path(__file__).parents[3]
REGISTRY = SourceRegistry(source_tools())


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """Without symbolic links, as sources name it."""
    return tmp_path.resolve()


def read(source, post):
    return read_listed_member(Listing(source.uri, post.url), LocalAccess(), max_bytes=1_000)


def age(*shards):
    """Makes files older than any clock may differ."""
    for shard in shards:
        os.utime(shard, (1_000.0, 1_000.0))


async def keys(source, cursor=""):
    return [post.post_id for post in await posts_of(source, cursor)]


async def test_samples_with_what_is_said_of_them(tmp_path) -> None:
    """As img2dataset writes them: caption, where it came from, sizes; the fetcher reads the image by its address."""
    source = WebDatasetSource(str(write_shard(tmp_path / "00000.tar", range(3))))
    posts = await posts_of(source)
    assert [(post.post_id, post.title) for post in posts] == [
        (f"00000000{n}", f"Caption of {n}") for n in range(3)
    ]
    assert posts[1].facts["url"] == "https://site.example/1.jpg"
    assert posts[1].facts["original_width"] == 1_600
    assert posts[1].images is None
    assert host_of(posts[1].url) == ""
    assert [read(source, post) for post in posts] == [f"image {n}".encode() for n in range(3)]


async def test_samples_of_every_shape(tmp_path) -> None:
    """Facts before or behind the image, none, broken, deep, too large; two images; text only; folders in names."""
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as archive:
        add(archive, "a.json", b'{"caption": "first", "license": "CC0", "NSFW": "NSFW"}')
        add(archive, "a.PNG", b"a")
        add(archive, "b.webp", b"b")
        add(archive, "b.txt", "Ein See\nim Süden".encode("latin-1"))
        add(archive, "c.jpg", b"c")
        add(archive, "c.json", b"[1]")
        add(archive, "d.jpg", b"d")
        add(archive, "d.json", b'{"a":' * 20_000 + b"1" + b"}" * 20_000)
        add(archive, "e.jpg", b"e")
        add(archive, "e.json", b'{"caption": "' + b"x" * 1_100_000 + b'"}')
        add(archive, "x/f.left.jpg", b"f1")
        add(archive, "x/f.right.jpg", b"f2")
        add(archive, "x/f.json", b'{"caption": 5, "url": null}')
        add(archive, "g.txt", b"no image")
        add(archive, "h.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "i.jpg", b"i")
    source = WebDatasetSource(str(shard))
    batches = await batches_of(source)
    posts = [post for batch in batches for post in batch.posts]
    assert [(post.post_id, post.title) for post in posts] == [
        ("a", "first"),
        ("b", "Ein See im S\ufffdden"),
        ("c", "c"),
        ("d", "d"),
        ("e", "e"),
        ("x/f", "x/f"),
        ("x/f#1", "x/f"),
        ("i", "i"),
    ]
    assert (posts[0].licence, posts[0].flags.over_18) == ("CC0", True)
    assert b"".join(read(source, post) for post in posts) == b"abcdef1f2i"
    assert sum(batch.skipped_count for batch in batches) == 1


async def test_several_shards_in_order(tmp_path) -> None:
    """A folder by names, a pattern in its own order; what else is there is left out."""
    for number in range(3):
        write_shard(tmp_path / f"{number}.tar", [number])
    (tmp_path / "0_stats.json").write_text("{}")
    (tmp_path / "3.tar").symlink_to("/etc/passwd")
    assert await keys(WebDatasetSource(str(tmp_path))) == ["000000000", "000000001", "000000002"]
    pattern = WebDatasetSource(f"{tmp_path}/{{2,0}}.tar")
    assert await keys(pattern) == ["000000002", "000000000"]


async def test_a_look_goes_on_in_the_middle_of_a_shard(tmp_path) -> None:
    """From any batch's cursor on: nothing twice, nothing missed."""
    for number in range(3):
        write_shard(tmp_path / f"{number}.tar", range(1_000 * number, 1_000 * number + 600))
    source = WebDatasetSource(str(tmp_path))
    batches = await batches_of(source)
    every = [post.post_id for batch in batches for post in batch.posts]
    assert len(every) == len(set(every)) == 1_800
    done = 0
    for batch in batches[:-1]:
        done += len(batch.posts)
        if batch.cursor:
            assert await keys(source, batch.cursor) == every[done:]
    assert await keys(source, batches[-1].cursor) == every, "all were written just now"
    age(*tmp_path.iterdir())
    later = json.dumps([time.time() + 1_000, 0.0, "", 0])
    assert await keys(source, later) == []


async def test_later_looks_read_what_was_changed(tmp_path) -> None:
    """A new shard, wherever it sorts, and one that grew; not those that stayed."""
    write_shard(tmp_path / "1.tar", [1])
    source = WebDatasetSource(str(tmp_path), settle_s=0.0)
    age(tmp_path / "1.tar")
    cursor = await last_cursor(source)
    async with asyncio.timeout(30):
        # Its change is the past by the file system's clock as well.
        while await keys(source, cursor):
            cursor = await last_cursor(source, cursor)
    assert await keys(source, cursor) == []
    write_shard(tmp_path / "0.tar", [0])
    assert await keys(source, cursor) == ["000000000"]


@pytest.mark.parametrize(
    "cursor", ["x", "[]", "[1,2,3]", '["a",0,"",0]', "{}", "3", "[" * 50_000, '[1e999,0,"",1]']
)
async def test_a_cursor_of_another_version_is_empty(tmp_path, cursor: str) -> None:
    """Whatever stands in it."""
    source = WebDatasetSource(str(write_shard(tmp_path / "s.tar", range(2))))
    if cursor != '[1e999,0,"",1]':
        assert len(await keys(source, cursor)) == 2
    else:
        assert await keys(source, cursor) == []


async def test_a_shard_that_breaks_off(tmp_path) -> None:
    """What is whole is listed, the rest counted and logged; the other shards are read."""
    whole = write_shard(tmp_path / "1.tar", range(300)).read_bytes()
    (tmp_path / "0.tar").write_bytes(whole[: len(whole) // 2 - 300])
    (tmp_path / "2.tar").write_bytes(b"no tar at all" * 100)
    source = WebDatasetSource(str(tmp_path))
    with capture_logs() as logs:
        batches = await batches_of(source)
    ids = [post.post_id for batch in batches for post in batch.posts]
    assert 140 <= len(ids) - 300 <= 160
    assert ids[-300:] == [f"{n:09d}" for n in range(300)]
    assert sum(batch.skipped_count for batch in batches) == 2
    assert [Path(log["cause"].partition(": ")[0]).name for log in logs] == ["0.tar", "2.tar"]


async def test_no_shard_can_be_read(tmp_path) -> None:
    """One clear error, from a file as from a folder; an empty folder is none."""
    source = WebDatasetSource(str(tmp_path))
    assert await keys(source) == []
    (tmp_path / "0.tar").write_bytes(b"<html>")
    for place in (tmp_path, tmp_path / "0.tar"):
        with pytest.raises(SourceFailed) as failed:
            await keys(WebDatasetSource(str(place)))
        assert "0.tar" in failed.value.cause
    gone = tmp_path / "gone"
    gone.mkdir()
    source = WebDatasetSource(f"{gone}/x.tar")
    gone.rmdir()
    assert await keys(source) == []


_PEAKS = """
import asyncio, sys, tracemalloc
from services.crawler.sources.webdataset import WebDatasetSource

async def main():
    peaks = []
    tracemalloc.start()
    async for batch in WebDatasetSource(sys.argv[1]).list_posts(""):
        peaks.append(tracemalloc.get_traced_memory()[1] if batch.posts else 0)
        tracemalloc.reset_peak()
    print(len(peaks), max(peaks[:5]), max(peaks[5:]))

asyncio.run(main())
"""


def test_many_samples_in_constant_memory(tmp_path) -> None:
    """5,000 samples of a shard: memory stays that of a batch. In a process of its own, so that nothing else counts."""
    shard = write_shard(tmp_path / "s.tar", range(5_000), format=tarfile.GNU_FORMAT)
    command = [sys.executable, "-c", _PEAKS, str(shard)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    count, first, later = map(int, done.stdout.split())
    assert count > 20
    assert later < 1.5 * first


async def test_one_key_with_very_many_images(tmp_path) -> None:
    """100 are listed, the rest counted."""
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as archive:
        for number in range(150):
            add(archive, f"k.{number}.jpg", b"x")
    batches = await batches_of(WebDatasetSource(str(shard)))
    assert len(batches[0].posts) == 100
    assert batches[0].skipped_count == 50


def test_what_is_a_source(tmp_path, monkeypatch) -> None:
    """A file, a folder, a pattern, relative or not, with or without the word for a file: one name each."""
    write_shard(tmp_path / "s-01.tar", [1])
    (tmp_path / "other.txt").touch()
    monkeypatch.chdir(tmp_path)
    for text, place in (
        ("webdataset:s-01.tar", "/s-01.tar"),
        ("s-01.tar", "/s-01.tar"),
        (f"webdataset:{tmp_path}/", ""),
        ("webdataset:s-{00..10}.tar", "/s-{00..10}.tar"),
    ):
        source = REGISTRY.parse(text)
        assert source.uri == f"webdataset:{tmp_path}{place}"
        assert REGISTRY.parse(source.uri).uri == source.uri
    for text, words in (
        ("webdataset:", "names no path"),
        ("webdataset:gone.tar", "no such folder"),
        ("webdataset:other.txt", "no such folder"),
        ("webdataset:{a,b}.txt", "names .tar files"),
        ("webdataset:t-{00..10}.tar", "none of the files"),
        ("webdataset:{0..999999}.tar", "more than 100,000"),
        ("webdataset:x/{.,y}{.,z}/s-01.tar", "leads to no other folder"),
        ("webdataset:a\x00b", "cannot be read"),
    ):
        with pytest.raises(BadSource) as bad:
            REGISTRY.parse(text)
        assert words in bad.value.cause
    with pytest.raises(BadSource, match="does not read files"):
        SourceRegistry(source_tools(local=LocalAccess(is_allowed=False))).parse(
            "webdataset:s-01.tar"
        )
