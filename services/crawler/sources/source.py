"""What a source is, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.crawler.post import Post
from services.servicekit.errors import InvalidInput, LodestoneError

# By name only: what a file really is, its bytes say when it is decoded.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"})

# The gap of a place whose pages lead to pages that were had.
LOOP = "its pages lead round in circles: what is behind them was not listed"

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """Some posts of a source, in its order.

    Attributes:
        posts: The posts; none is fine.
        cursor: Where listing goes on once these posts are recorded, in the source's own format, at most 64 KiB; empty
            leaves the earlier one.
        skipped_count: Entries beside the posts that have no address.
        gap: What was missed since the last listing, one sentence; empty if nothing.
    """

    posts: tuple[Post, ...]
    cursor: str = ""
    skipped_count: int = 0
    gap: str = ""


class Source(Protocol):
    """A place that lists posts. The same cursor gives the same posts while the place is unchanged."""

    @property
    def uri(self) -> str:
        """The source's canonical name: the same place has one, however it was written."""
        ...

    @property
    def poll_s(self) -> float:
        """How long to wait before it is worth another look, seconds."""
        ...

    def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists what there is from a cursor on; empty is from the beginning. Some posts may come a second time.

        A cursor that the source did not write, for example of an older version, counts as empty.

        Raises:
            SourceFailed: The place cannot be listed, or no further.
            SourceBlocked: It does not let us.
        """
        ...


class SourceFailed(LodestoneError):
    """A source cannot be listed; it may be later.

    Attributes:
        uri: The source.
        cause: Why, one sentence.
    """

    def __init__(self, uri: str, cause: str) -> None:
        super().__init__(f"{uri} cannot be listed: {cause}")
        self.uri = uri
        self.cause = cause


class BlockReason(StrEnum):
    """Why a source does not let us list it; the names are those of the contract."""

    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_REFUSED = "CREDENTIALS_REFUSED"
    FORBIDDEN = "FORBIDDEN"
    RATE_LIMITED = "RATE_LIMITED"
    ROBOTS_DISALLOWED = "ROBOTS_DISALLOWED"
    TOOL_MISSING = "TOOL_MISSING"


class SourceBlocked(SourceFailed):
    """A source does not let us list it until somebody acts, or some time has passed. There is no way round it here.

    Attributes:
        reason: Why, in one word.
        retry_s: After how many seconds another try is worth it; None if a person must act first.
    """

    def __init__(
        self, uri: str, reason: BlockReason, cause: str, *, retry_s: float | None = None
    ) -> None:
        super().__init__(uri, cause)
        self.reason = reason
        self.retry_s = retry_s


class BadSource(InvalidInput):
    """A text that names no source.

    Attributes:
        uri: The text, at most 200 characters of it.
        cause: What is wrong with it.
    """

    def __init__(self, uri: str, cause: str) -> None:
        shown = uri if len(uri) <= _SHOWN_CHARACTERS else f"{uri[:_SHOWN_CHARACTERS]}…"
        super().__init__(f"{shown!r} is no source: {cause}")
        self.uri = shown
        self.cause = cause
