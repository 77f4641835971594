"""The protocol of a sink, what is delivered to it, and how that can fail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.judgement import Judgement
from services.servicekit.errors import LodestoneError


class FailureKind(Enum):
    """Whose fault it is that a delivery did not succeed, and so what is to wait."""

    # Nobody was asked, or nobody can be served: the sink waits, the delivery is the next one all the same.
    AWAY = auto()
    # It may be the receiver or this image: both wait, so that one image holds up no others. Never given up.
    BROKEN = auto()
    # The receiver says no to this image: it waits, and is given up after a few times.
    REJECTED = auto()
    # It can never succeed as it is: it is given up at once.
    REFUSED = auto()
    # The receiver wants nothing ever again: the sink stops until a person says otherwise.
    GONE = auto()


class DeliveryFailed(LodestoneError):
    """A delivery did not succeed. The message is one line without secrets.

    Attributes:
        kind: Whose fault it is.
        retry_after_s: When the receiver asks to be asked again, seconds from now; None if it does not say.
    """

    def __init__(
        self, kind: FailureKind, message: str, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Delivery:
    """A kept image on its way to a sink.

    Attributes:
        image: What the catalogue knows of it, under the profile that it is delivered for.
        decoded: Its size, format and perceptual hashes.
        judgement: The profile's judgement.
        encoded: Its bytes, which hash to its digest; empty if the sink needs none.
        again_sequence: Of an image that was replaced once and is kept again, its place in the order of accepting; 0 for
            the first time.
    """

    image: KeptImage
    decoded: DecodedCandidate
    judgement: Judgement
    encoded: bytes
    again_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Removal:
    """What is left of an image that was purged or replaced, for a sink that has it or may have it.

    Attributes:
        digest: SHA-256, 64 hex digits.
        profile_name: The profile that kept it.
        file_name: The readable name that it had there.
        note: What the receiver said when it got it; may be empty.
        time: When this is told, seconds since 1970.
        replaced_by: The digest of the better copy that is kept instead; empty if it was purged.
        again_sequence: Of which delivery this is the end, as there; 0 of a purge.
    """

    digest: str
    profile_name: str
    file_name: str
    note: str
    time: float
    replaced_by: str = ""
    again_sequence: int = 0


class Sink(Protocol):
    """Where kept images go. Doing anything again must change nothing that the receiver can recognise.

    Attributes:
        name: As the settings call it.
        kind: The word before the colon.
        concurrency: Deliveries at a time, over all crawlers.
        max_bytes: Bytes of an image at most; 0 if it needs none of them.
    """

    name: str
    kind: str
    concurrency: int
    max_bytes: int

    async def deliver(self, delivery: Delivery) -> str:
        """Delivers an image. Returns what the receiver said, one line; may be empty.

        Raises:
            DeliveryFailed: It is not delivered, or nobody can tell.
        """
        ...

    async def remove(self, removal: Removal) -> str:
        """Tells that an image was purged or replaced; the rest is as for `deliver`."""
        ...
