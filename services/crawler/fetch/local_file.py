"""Reads the files that a folder source lists, and no others."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes, urlsplit

from services.crawler.fetch.local_access import LocalAccess
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed, OutcomeReason

FOLDER_PREFIX = "folder:"


def read_listed_file(listing: Listing, access: LocalAccess, *, max_bytes: int) -> bytes:
    """Reads the file of a listing; blocks.

    Raises:
        FetchFailed: BAD_URL if the listing's source is no folder, the file lies outside it (symbolic links followed),
            may not be read or is no regular file; NOT_FOUND, REFUSED, TOO_MANY_BYTES; UNREACHABLE if the disk fails.
    """
    path = _inside_folder(listing, access)
    try:
        with open_regular(path) as handle:
            encoded = handle.read(max_bytes + 1)
    except OSError as error:
        raise failed_read(error) from error
    if len(encoded) > max_bytes:
        message = f"the file has more than {max_bytes:,} bytes"
        raise FetchFailed(OutcomeReason.TOO_MANY_BYTES, message, final_url=listing.url)
    return encoded


def open_regular(path: Path) -> BinaryIO:
    """Opens a file whose links were followed already.

    Raises:
        FetchFailed: BAD_URL if it is no regular file.
        OSError: It cannot be opened.
    """
    try:
        handle = open(path, "rb", opener=_open)  # noqa: SIM115 - the caller closes it; Path has no opener
    except IsADirectoryError as error:
        raise _no_file(path) from error
    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise _no_file(path)
    return handle


def _open(path: str, flags: int) -> int:
    # A FIFO must not block.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _no_file(path: Path) -> FetchFailed:
    return FetchFailed(OutcomeReason.BAD_URL, f"{str(path)[:200]!r} is no regular file")


def _inside_folder(listing: Listing, access: LocalAccess) -> Path:
    if not listing.source.startswith(FOLDER_PREFIX):
        raise bad_url(listing, "files are read for folder sources only")
    try:
        parts = urlsplit(listing.url)
        if parts.netloc not in ("", "localhost"):
            raise bad_url(listing, "it names another machine")
        folder = Path(listing.source.removeprefix(FOLDER_PREFIX)).resolve(strict=True)
        path = Path(os.fsdecode(unquote_to_bytes(parts.path))).resolve(strict=True)
        refusal = access.refusal(path)
    except OSError as error:
        raise failed_read(error) from error
    except (ValueError, RuntimeError) as error:
        raise bad_url(listing, "it cannot be read") from error
    if not path.is_relative_to(folder):
        raise bad_url(listing, f"it leads out of {folder}")
    if refusal:
        raise bad_url(listing, refusal)
    return path


def bad_url(listing: Listing, cause: str) -> FetchFailed:
    """A listing whose address must not be read."""
    return FetchFailed(OutcomeReason.BAD_URL, f"{listing.url[:200]!r} cannot be read: {cause}")


def failed_read(error: OSError) -> FetchFailed:
    """A file that cannot be read."""
    reason = OutcomeReason.UNREACHABLE
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        reason = OutcomeReason.NOT_FOUND
    elif isinstance(error, PermissionError):
        reason = OutcomeReason.REFUSED
    return FetchFailed(reason, f"the file cannot be read: {error.strerror or error}")
