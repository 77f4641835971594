"""What every source offers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from services.crawler.listing import Listing
from services.servicekit.errors import InvalidInput, LodestoneError


class BadSource(InvalidInput):
    """A source that cannot be understood or is not there.

    Attributes:
        source: As it was given.
        cause: What is wrong with it.
    """

    def __init__(self, source: str, cause: str) -> None:
        super().__init__(f"source {source!r}: {cause}")
        self.source = source
        self.cause = cause


class SourceFailed(LodestoneError):
    """A source that could not be listed to its end.

    Attributes:
        uri: The source.
        cause: What happened.
    """

    def __init__(self, uri: str, cause: str) -> None:
        super().__init__(f"source {uri}: {cause}")
        self.uri = uri
        self.cause = cause


class Source(Protocol):
    """A place that lists images.

    Attributes:
        uri: Its canonical name, for example `folder:/photos`.
    """

    uri: str

    def list_images(self) -> AsyncGenerator[Listing]:
        """Yields listings from the beginning.

        Raises:
            SourceFailed: It cannot be read any further.
        """
        ...
