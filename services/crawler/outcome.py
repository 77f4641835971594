"""What became of fetching a listing: the closed set of states and reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.crawler.compliance import Compliance
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
    RATE_LIMITED = "RATE_LIMITED"
    HOST_DOWN = "HOST_DOWN"
    NAME_UNRESOLVED = "NAME_UNRESOLVED"
    TLS_FAILED = "TLS_FAILED"
    ROBOTS_DISALLOWED = "ROBOTS_DISALLOWED"
    ROBOTS_UNREACHABLE = "ROBOTS_UNREACHABLE"
    OPTED_OUT = "OPTED_OUT"
    PLACEHOLDER = "PLACEHOLDER"
    PURGED = "PURGED"


# Worth another try: the host or the way to it may recover.
_RETRYABLE = frozenset(
    {
        OutcomeReason.SERVER_ERROR,
        OutcomeReason.UNREACHABLE,
        OutcomeReason.TIMEOUT,
        OutcomeReason.INCOMPLETE,
        OutcomeReason.RATE_LIMITED,
        OutcomeReason.NAME_UNRESOLVED,
        OutcomeReason.ROBOTS_UNREACHABLE,
    }
)
# Not tried again by the same crawl, since the host or its operator must act first; by a later one they are.
_PASSING = frozenset(
    {
        OutcomeReason.FORBIDDEN_ADDRESS,
        OutcomeReason.HOST_DOWN,
        OutcomeReason.TLS_FAILED,
        OutcomeReason.ROBOTS_DISALLOWED,
        OutcomeReason.OPTED_OUT,
    }
)
_BLOCKED = frozenset(
    {
        OutcomeReason.FORBIDDEN_ADDRESS,
        OutcomeReason.ROBOTS_DISALLOWED,
        OutcomeReason.ROBOTS_UNREACHABLE,
        OutcomeReason.OPTED_OUT,
        OutcomeReason.PURGED,
    }
)


# A later crawl tries again after one of these: everything else is final.
PASSING_REASONS = frozenset(reason.value for reason in _RETRYABLE | _PASSING)


class FetchFailed(LodestoneError):
    """A listing's bytes could not be fetched or decoded.

    Attributes:
        reason: The reason as a word.
        final_url: The address that answered, after redirects, or that a redirect led to; empty without either.
        size_px: Width and height, if the screen left it out for them.
        size_bytes: How many bytes came, if they all did.
        retry_after_s: Seconds until another try is worth it, as the host says; None if it says nothing.
    """

    def __init__(
        self,
        reason: OutcomeReason,
        message: str,
        *,
        final_url: str = "",
        size_px: tuple[int, int] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.size_bytes = 0
        self.reason = reason
        self.final_url = final_url
        self.size_px = size_px
        self.retry_after_s = retry_after_s

    @property
    def state(self) -> OutcomeState:
        """FAILED, or BLOCKED where a rule forbade to ask."""
        return OutcomeState.BLOCKED if self.reason in _BLOCKED else OutcomeState.FAILED

    @property
    def retryable(self) -> bool:
        """Whether another try may succeed."""
        return self.reason in _RETRYABLE

    @classmethod
    def from_rejection(
        cls, rejection: ItemRejected, *, final_url: str, size_bytes: int = 0
    ) -> FetchFailed:
        """The outcome of bytes that do not decode; the codes have the same names, and what has none is CORRUPT."""
        reason = OutcomeReason.__members__.get(rejection.code.name, OutcomeReason.CORRUPT)
        size_px = rejection.size_px if isinstance(rejection, ScreenedOut) else None
        failure = cls(reason, rejection.reason, final_url=final_url, size_px=size_px)
        failure.size_bytes = size_bytes
        return failure


class StatusFailed(FetchFailed):
    """A host answered with a status that is neither a body nor a redirect.

    Attributes:
        status: The HTTP status.
    """

    def __init__(
        self,
        reason: OutcomeReason,
        message: str,
        *,
        status: int,
        final_url: str,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason, message, final_url=final_url, retry_after_s=retry_after_s)
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought.

    Attributes:
        encoded: The bytes as they came.
        final_url: The address that answered, after redirects.
        compliance: The rules under which it came; None for a local file.
    """

    encoded: bytes
    final_url: str
    compliance: Compliance | None = None
