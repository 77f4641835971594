"""The errors of the services.

LodestoneError
├── InvalidInput         the request is wrong: INVALID_ARGUMENT
├── Unauthenticated      no token, or a wrong one: UNAUTHENTICATED
├── PermissionDenied     the caller's certificate has no name that may: PERMISSION_DENIED
├── NotFound             what it names is not there: NOT_FOUND
├── FailedPrecondition   right, but not in this state: FAILED_PRECONDITION
├── Overloaded           try again later: RESOURCE_EXHAUSTED
├── ComputationStuck     a network does not answer; never sent to a caller
├── BatcherEnded         nothing is computed any more; never sent to a caller
├── ResultsMissing       a computation gave too few results or too many: INTERNAL
├── Unavailable          a dependency is away: UNAVAILABLE
├── IdleStream           nothing moved on a stream: DEADLINE_EXCEEDED
├── StreamAged           a stream has had its time: UNAVAILABLE, and another may be opened at once
├── DeadlinePassed       a unary call took too long: DEADLINE_EXCEEDED
├── Broken               the process ends, and a new one may go on: UNAVAILABLE
├── Misconfigured        the process cannot start; never sent to a caller
└── ItemRejected         one item of a good request has no value; a Rejection in its place
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from services.servicekit.rejection import RejectionCode


class LodestoneError(Exception):
    """An error with one clear sentence; subclasses carry its numbers as fields."""


class InvalidInput(LodestoneError):
    """The request is wrong, whatever the state of the service."""


class Unauthenticated(LodestoneError):
    """The caller has not shown who it is."""


class PermissionDenied(LodestoneError):
    """The caller has shown who it is, and may not call this method.

    Attributes:
        method: The method, for example `FitProfile`.
        names: The URI SANs of its certificate.
    """

    def __init__(self, method: str, names: Sequence[str]) -> None:
        who = ", ".join(names) or "a certificate without a URI name"
        super().__init__(f"{who} may not call {method}")
        self.method = method
        self.names = tuple(names)


class NotFound(LodestoneError):
    """Something that the request names is not there.

    Attributes:
        kind: What it is, for example `profile`.
        name: What it was called.
    """

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {name!r}")
        self.kind = kind
        self.name = name


class FailedPrecondition(LodestoneError):
    """The request is right but does not fit the state of the service."""


class Overloaded(LodestoneError):
    """A queue is full.

    Attributes:
        queue: Its name.
        limit: How much it holds, in `unit`.
        retry_after_s: When there is likely to be room, in seconds from now; None if nobody knows.
        unit: What is limited: `items`, or `bytes` of them.
    """

    def __init__(
        self,
        queue: str,
        limit: int,
        retry_after_s: float | None = None,
        *,
        unit: Literal["items", "bytes"] = "items",
    ) -> None:
        super().__init__(f"the {queue} queue is full ({limit:,} {unit}); try again later")
        self.queue = queue
        self.limit = limit
        self.unit = unit
        self.retry_after_s = retry_after_s


class ComputationStuck(LodestoneError):
    """A computation takes far longer than any should: its thread may never come back.

    Attributes:
        name: What computes.
        seconds: For how long so far.
    """

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"the {name} has taken {seconds:.1f} s so far")
        self.name = name
        self.seconds = seconds


class BatcherEnded(LodestoneError):
    """What puts batches together has ended by a defect of its own; all that comes would wait for ever.

    Attributes:
        name: What it computed.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the {name}'s batcher has ended")
        self.name = name


class ResultsMissing(LodestoneError):
    """A computation gave another number of results than it was given items: nobody knows whose they are.

    Attributes:
        name: What computes.
        expected: Items of the batch.
        found: Results.
    """

    def __init__(self, name: str, expected: int, found: int) -> None:
        super().__init__(f"the {name} gave {found} results for {expected} items")
        self.name = name
        self.expected = expected
        self.found = found


class Unavailable(LodestoneError):
    """Something that this service depends on is away for now.

    Attributes:
        dependency: What is away.
        cause: What it said, one line.
    """

    def __init__(self, dependency: str, cause: str) -> None:
        super().__init__(f"{dependency} is unavailable: {cause}")
        self.dependency = dependency
        self.cause = cause


class IdleStream(LodestoneError):
    """Nothing moved on a stream for too long.

    Attributes:
        limit_s: The limit in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"nothing moved on this stream for {limit_s:g} s")
        self.limit_s = limit_s


class StreamAged(LodestoneError):
    """A stream has lasted for long enough; nothing is wrong.

    Attributes:
        limit_s: The limit in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"this stream has lasted for {limit_s:g} s: open another")
        self.limit_s = limit_s


class DeadlinePassed(LodestoneError):
    """A unary call took longer than the server allows.

    Attributes:
        limit_s: The limit in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"this call took longer than the server's limit of {limit_s:g} s")
        self.limit_s = limit_s


class Broken(LodestoneError):
    """This process can do its work no more, and a new one may: it ends."""


class Misconfigured(LodestoneError):
    """The process cannot start with these settings or artifacts."""


class ItemRejected(LodestoneError):
    """One item of a good request has no value.

    Attributes:
        code: The reason as a word.
        reason: The reason as a sentence with the numbers.
    """

    def __init__(self, code: RejectionCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
