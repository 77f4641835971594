"""The protocol of a gate, and the loop that asks them in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from services.crawler.candidate import DecodedCandidate
from services.crawler.judgement import Evidence, Judgement, Verdict
from services.servicekit.errors import LodestoneError
from services.servicekit.image import Rgb


class NeedsPixels(LodestoneError):
    """A gate needs pixels of an image of which only the recorded facts are at hand.

    Attributes:
        service: The word of the service that would take them.
        so_far: What the gates before it say; None before `judge` has raised it.
    """

    def __init__(self, service: str, so_far: Judgement | None = None) -> None:
        super().__init__(f"no pixels for the {service}: the image must be fetched again")
        self.service = service
        self.so_far = so_far


@dataclass(frozen=True, slots=True)
class Subject:
    """What a gate judges.

    Attributes:
        digest: SHA-256 of the bytes, 64 hex digits; empty for an image that was given as pixels.
        decoded: Facts, hashes and inputs; of a recorded image, without inputs.
        evidence: What is known already: a gate does not ask for it again.
        encoded: The bytes; empty if only the recorded facts are at hand.
    """

    digest: str
    decoded: DecodedCandidate
    evidence: Evidence
    encoded: bytes = field(default=b"", repr=False)

    def pixels_for(self, service: str) -> Rgb:
        """The input of one service, (h, w, 3) uint8.

        Raises:
            NeedsPixels: There is none.
        """
        try:
            return self.decoded.inputs[service]
        except KeyError:
            raise NeedsPixels(service) from None


class Gate(Protocol):
    """One reason not to keep an image.

    Attributes:
        name: One word.
        cost: Where it stands in the order: cheaper gates are asked first.
    """

    name: str
    cost: int

    async def judge(self, subject: Subject) -> Judgement:
        """Returns ACCEPTED to pass the image on, or the verdict against it, with the evidence that it added."""
        ...


async def judge(gates: Sequence[Gate], subject: Subject, *, all_gates: bool = False) -> Judgement:
    """Asks the gates, cheapest first, until one does not pass the image.

    With `all_gates` the others are asked all the same, for their evidence; the first verdict stands.

    Raises:
        NeedsPixels: A gate needs pixels that the subject does not have; it holds what the gates before it say.
    """
    first: Judgement | None = None
    reasons: list[str] = []
    for gate in sorted(gates, key=lambda gate: gate.cost):
        try:
            result = await gate.judge(subject)
        except NeedsPixels as need:
            raise NeedsPixels(need.service, _conclude(first, reasons, subject)) from need
        subject = replace(subject, evidence=result.evidence)
        reasons.append(result.reason)
        if result.verdict is not Verdict.ACCEPTED and first is None:
            first = result
            if not all_gates:
                break
    return _conclude(first, reasons, subject)


def _conclude(first: Judgement | None, reasons: Sequence[str], subject: Subject) -> Judgement:
    """The first verdict against the image, or ACCEPTED with all reasons; with the evidence of all gates."""
    if first is None:
        return Judgement(Verdict.ACCEPTED, "; ".join(filter(None, reasons)), subject.evidence)
    return replace(first, evidence=subject.evidence)
