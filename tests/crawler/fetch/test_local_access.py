"""Which files of its machine a crawler may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.tar_file import tar_address
from services.crawler.fetch.tar_members import read_members
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed, OutcomeReason
from tests.crawler.fetch.support import fetcher_for
from tests.faithful.shards import write_shard


def test_a_folder_may_be_named_through_a_link(tmp_path: Path) -> None:
    """What lies in it is named without links."""
    (tmp_path / "in").mkdir()
    (tmp_path / "way-in").symlink_to(tmp_path / "in")
    access = LocalAccess(folder=tmp_path / "way-in")
    assert access.refusal((tmp_path / "in" / "a").resolve()) == ""
    assert access.refusal((tmp_path / "inner").resolve()).startswith("this crawler reads files in")
    assert LocalAccess().refusal(Path("/")) == ""
    assert LocalAccess(is_allowed=False).refusal(tmp_path).startswith("this crawler does not read")


@pytest.mark.parametrize("access", [LocalAccess(is_allowed=False), LocalAccess(folder=Path("/x"))])
async def test_what_was_listed_before_is_not_read_any_more(
    tmp_path: Path, access: LocalAccess
) -> None:
    """A crawl that fetches again names no source: the fetcher asks itself."""
    (tmp_path / "a.jpg").write_bytes(b"image")
    shard = write_shard(tmp_path / "s.tar", range(1))
    with shard.open("rb") as handle:
        member = next(read_members(handle))
    listings = [
        Listing(f"folder:{tmp_path}", (tmp_path / "a.jpg").as_uri()),
        Listing(f"webdataset:{tmp_path}", tar_address(shard, member)),
    ]
    async with fetcher_for() as fetcher:
        for listing in listings:
            assert (await fetcher.fetch(listing)).encoded.startswith(b"image")
    async with fetcher_for(local=access) as fetcher:
        for listing in listings:
            with pytest.raises(FetchFailed, match="this crawler ") as failed:
                await fetcher.fetch(listing)
            assert failed.value.reason is OutcomeReason.BAD_URL
