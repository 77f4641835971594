"""What a source is, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from services.crawler.listing import Listing
from services.servicekit.errors import InvalidInput, LodestoneError

# By name only: what a file really is, its bytes say when it is decoded.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"})

_SHOWN_CHARACTERS = 200


class Source(Protocol):
    """A place that lists images. Listing starts anew with each call, in the same order while the place is unchanged."""

    @property
    def uri(self) -> str:
        """The source's canonical name: the same place has one, however it was written."""
        ...

    @property
    def skipped_count(self) -> int:
        """Entries without an address that the last listing left out."""
        ...

    def list_images(self) -> AsyncGenerator[Listing, None]:
        """Lists the images, as they are found.

        Raises:
            SourceFailed: The place cannot be listed, or no further.
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
