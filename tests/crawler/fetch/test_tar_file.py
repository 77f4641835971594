from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.tar_file import read_listed_member, tar_address
from services.crawler.fetch.tar_members import read_members
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed, OutcomeReason
from tests.crawler.fetch.support import fetcher_for
from tests.faithful.shards import add, write_shard


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """Without symbolic links, as sources name it."""
    return tmp_path.resolve()


def addresses(shard):
    with shard.open("rb") as handle:
        return {member.name: tar_address(shard, member) for member in read_members(handle)}


def reason_of(url, source, **kwargs):
    with pytest.raises(FetchFailed) as failed:
        read_listed_member(Listing(source, url), LocalAccess(), **{"max_bytes": 1_000} | kwargs)
    assert "\n" not in str(failed.value)
    return failed.value.reason


async def test_the_fetcher_reads_a_member(tmp_path) -> None:
    """By its address alone; names with any character lead to their own bytes."""
    shard = tmp_path / "a #1? 100%.tar"
    with tarfile.open(shard, "w") as archive:
        for name in ("a.jpg", "d/b c#?%.png", "é.webp", "caf\udce9.jpg", "../../x.jpg"):
            add(archive, name, b"bytes of " + name.encode("utf-8", "surrogateescape"))
    async with fetcher_for() as fetcher:
        for name, url in addresses(shard).items():
            assert url.isascii()
            fetched = await fetcher.fetch(Listing(f"webdataset:{tmp_path}", url))
            assert fetched.encoded == b"bytes of " + name.encode("utf-8", "surrogateescape")
            assert (fetched.final_url, fetched.compliance) == (url, None)


def test_only_what_its_source_stands_for(tmp_path) -> None:
    """A file of another folder, a link out of it, another kind of source, or a path with dots is not read."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    secret = write_shard(tmp_path / "out" / "secret.tar", range(1))
    own = write_shard(tmp_path / "in" / "own.tar", range(1))
    (tmp_path / "in" / "link.tar").symlink_to(secret)
    source = f"webdataset:{tmp_path}/in"
    [url, *_] = addresses(secret).values()
    [own_url, *_] = addresses(own).values()
    assert read_listed_member(Listing(source, own_url), LocalAccess(), max_bytes=100) == b"image 0"
    dotted = own_url.replace("/in/own.tar", "/in/../out/secret.tar")
    linked = own_url.replace("/own.tar", "/link.tar")
    for bad in (url, dotted, linked, "tar:///etc/passwd?at=0#x", "tar://host/x.tar?at=0#a.jpg"):
        assert reason_of(bad, source) is OutcomeReason.BAD_URL
    for other in (f"folder:{tmp_path}/in", "page:https://site.example/", f"urls:{own}"):
        assert reason_of(own_url, other) is OutcomeReason.BAD_URL


@pytest.mark.parametrize(
    "change", ["?at=", "?at=-1", "?at=1e9", "?at=" + "9" * 40, "", "?at=0#", "?at=0"]
)
def test_what_is_no_address(tmp_path, change: str) -> None:
    """Each is one clear error."""
    shard = write_shard(tmp_path / "s.tar", range(1))
    url = f"tar://{shard}{change}{'' if '#' in change else '#000000000.jpg'}"
    expected = OutcomeReason.BAD_URL
    if change == "?at=0":
        assert (
            read_listed_member(Listing(f"webdataset:{shard}", url), LocalAccess(), max_bytes=100)
            == b"image 0"
        )
        return
    assert reason_of(url, f"webdataset:{shard}") is expected


def test_bytes_have_a_bound(tmp_path) -> None:
    """Exactly the bound passes; one more is told before anything is read."""
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as archive:
        add(archive, "a.jpg", b"x" * 100)
    [url] = addresses(shard).values()
    assert (
        len(read_listed_member(Listing(f"webdataset:{shard}", url), LocalAccess(), max_bytes=100))
        == 100
    )
    assert reason_of(url, f"webdataset:{shard}", max_bytes=99) is OutcomeReason.TOO_MANY_BYTES


def test_members_that_are_no_files(tmp_path) -> None:
    """A link to a file of this machine, or to another member, is not followed."""
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as archive:
        add(archive, "good.jpg", b"x")
        add(archive, "soft.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "hard.jpg", type=tarfile.LNKTYPE, linkname="good.jpg")
        add(archive, "null.jpg", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    found = addresses(shard)
    for name in ("soft.jpg", "hard.jpg", "null.jpg"):
        assert reason_of(found[name], f"webdataset:{shard}") is OutcomeReason.BAD_URL


def test_a_shard_that_was_changed_since(tmp_path) -> None:
    """Another member at that place, a file cut off, a file that is gone: never other bytes under an old name."""
    shard = write_shard(tmp_path / "s.tar", range(3))
    source, url = f"webdataset:{shard}", addresses(shard)["000000002.jpg"]
    write_shard(shard, range(10, 13))
    assert reason_of(url, source) is OutcomeReason.NOT_FOUND
    write_shard(shard, range(3))
    shard.write_bytes(shard.read_bytes()[: int(url.partition("at=")[2].partition("#")[0]) + 515])
    assert reason_of(url, source) is OutcomeReason.INCOMPLETE
    shard.unlink()
    assert reason_of(url, source) is OutcomeReason.NOT_FOUND
    shard.mkdir()
    assert reason_of(url, source) is OutcomeReason.BAD_URL
