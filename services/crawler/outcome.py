"""What became of fetching a listing: the closed set of states and reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.crawler.screen import ScreenedOut
from services.servicekit.errors import ItemRejected, LodestoneError


class OutcomeState(StrEnum):
    """The outcome in one word; the names are those of the contract."""

    FETCHED = "FETCHED"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"


class OutcomeReason(StrEnum):
    """Why a listing is not fetched; the names are those of the contract."""

    NOT_FOUND = "NOT_FOUND"
    REFUSED = "REFUSED"
    SERVER_ERROR = "SERVER_ERROR"
    UNREACHABLE = "UNREACHABLE"
    TIMEOUT = "TIMEOUT"
    BAD_URL = "BAD_URL"
    FORBIDDEN_ADDRESS = "FORBIDDEN_ADDRESS"
    TOO_MANY_REDIRECTS = "TOO_MANY_REDIRECTS"
    TOO_MANY_BYTES = "TOO_MANY_BYTES"
    INCOMPLETE = "INCOMPLETE"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    METADATA_BOMB = "METADATA_BOMB"
    TRUNCATED = "TRUNCATED"
    CORRUPT = "CORRUPT"
    TOO_SMALL = "TOO_SMALL"
    EXTREME_ASPECT = "EXTREME_ASPECT"
    DECODER_CRASHED = "DECODER_CRASHED"
    CONTENT_ENCODING = "CONTENT_ENCODING"


# Worth another try: the host or the way to it may recover. Everything else is final.
_RETRYABLE = frozenset(
    {
        OutcomeReason.SERVER_ERROR,
        OutcomeReason.UNREACHABLE,
        OutcomeReason.TIMEOUT,
        OutcomeReason.INCOMPLETE,
    }
)
_BLOCKED = frozenset({OutcomeReason.FORBIDDEN_ADDRESS})


class FetchFailed(LodestoneError):
    """A listing's bytes could not be fetched or decoded.

    Attributes:
        reason: The reason as a word.
        final_url: The address that answered, after redirects; empty if none did.
        size_px: Width and height, if the screen left it out for them.
    """

    def __init__(
        self,
        reason: OutcomeReason,
        message: str,
        *,
        final_url: str = "",
        size_px: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.final_url = final_url
        self.size_px = size_px

    @property
    def state(self) -> OutcomeState:
        """FAILED, or BLOCKED where a rule forbade to ask."""
        return OutcomeState.BLOCKED if self.reason in _BLOCKED else OutcomeState.FAILED

    @property
    def retryable(self) -> bool:
        """Whether another try may succeed."""
        return self.reason in _RETRYABLE

    @classmethod
    def from_rejection(cls, rejection: ItemRejected, *, final_url: str) -> FetchFailed:
        """The outcome of bytes that do not decode; the codes have the same names, and what has none is CORRUPT."""
        reason = OutcomeReason.__members__.get(rejection.code.name, OutcomeReason.CORRUPT)
        size_px = rejection.size_px if isinstance(rejection, ScreenedOut) else None
        return cls(reason, rejection.reason, final_url=final_url, size_px=size_px)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought.

    Attributes:
        encoded: The bytes as they came.
        final_url: The address that answered, after redirects.
    """

    encoded: bytes
    final_url: str
