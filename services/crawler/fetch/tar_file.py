"""Images inside tar files: their addresses, and how the fetcher reads them.

An address is `tar:///ABSOLUTE/PATH.tar?at=OFFSET#NAME`: where the member's header begins, and the name that must stand
there. So one image is read without the others, and a file that was replaced is noticed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.local_file import bad_url, failed_read, open_regular
from services.crawler.fetch.shard_paths import TooManyShards, is_shard_of
from services.crawler.fetch.tar_members import BrokenTar, Member, read_members
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed, OutcomeReason

WEBDATASET_PREFIX = "webdataset:"

_ADDRESS = re.compile(r"tar://(?P<path>/[^?#]*)\?at=(?P<offset>[0-9]{1,15})#(?P<name>[^#]+)")


def tar_address(shard: Path, member: Member) -> str:
    """The address of a member of a file."""
    path = quote_from_bytes(os.fsencode(shard), safe="/")
    name = quote_from_bytes(member.name.encode("utf-8", "surrogateescape"), safe="/")
    return f"tar://{path}?at={member.offset}#{name}"


def read_listed_member(listing: Listing, access: LocalAccess, *, max_bytes: int) -> bytes:
    """Reads the member of a listing; blocks.

    Raises:
        FetchFailed: BAD_URL if the listing's source is no webdataset, the tar file is none of its or may not be read,
            or the member is no plain file; NOT_FOUND if another one stands there; REFUSED, TOO_MANY_BYTES; INCOMPLETE
            if the file ends before it; UNREACHABLE if the disk fails.
    """
    shard, offset, name = _parse(listing, access)
    try:
        with open_regular(shard) as handle:
            member = next(read_members(handle, offset), None)
            _check(listing, member, name, max_bytes)
            assert member is not None
            handle.seek(member.data_offset)
            encoded = handle.read(member.size)
    except BrokenTar as error:
        message = f"the tar file cannot be read there: {error}"
        raise FetchFailed(OutcomeReason.INCOMPLETE, message, final_url=listing.url) from error
    except OSError as error:
        raise failed_read(error) from error
    if len(encoded) < member.size:
        message = "the tar file was cut off while it was read"
        raise FetchFailed(OutcomeReason.INCOMPLETE, message, final_url=listing.url)
    return encoded


def _check(listing: Listing, member: Member | None, name: str, max_bytes: int) -> None:
    if member is None or member.name != name:
        message = "another member stands there now: the tar file was changed"
        raise FetchFailed(OutcomeReason.NOT_FOUND, message)
    if not member.is_file:
        raise bad_url(listing, "the member is no plain file")
    if member.size > max_bytes:
        message = f"the member has {member.size:,} bytes, over the limit of {max_bytes:,}"
        raise FetchFailed(OutcomeReason.TOO_MANY_BYTES, message, final_url=listing.url)


def _parse(listing: Listing, access: LocalAccess) -> tuple[Path, int, str]:
    if not listing.source.startswith(WEBDATASET_PREFIX):
        raise bad_url(listing, "tar files are read for webdataset sources only")
    parts = _ADDRESS.fullmatch(listing.url)
    if parts is None:
        raise bad_url(listing, "it cannot be read")
    try:
        path = Path(os.fsdecode(unquote_to_bytes(parts["path"]))).resolve(strict=True)
        refusal = access.refusal(path)
        is_own = is_shard_of(listing.source.removeprefix(WEBDATASET_PREFIX), path)
    except OSError as error:
        raise failed_read(error) from error
    except (TooManyShards, ValueError, RuntimeError) as error:
        raise bad_url(listing, "it cannot be read") from error
    if refusal or not is_own:
        raise bad_url(listing, refusal or "it is no tar file of its source")
    name = unquote_to_bytes(parts["name"]).decode("utf-8", "surrogateescape")
    return path, int(parts["offset"]), name
