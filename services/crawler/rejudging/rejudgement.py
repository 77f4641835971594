"""A rejudgement: what it says of each known image, what is done about it, and what it came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue.known_candidates import EarlierJudgement, KnownCandidate
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing


class RejudgeAction(StrEnum):
    """What is done about an image; the names are those of the contract."""

    KEEP = "KEEP"
    FETCH = "FETCH"
    STAYS_KEPT = "STAYS_KEPT"
    RECORD = "RECORD"
    UNREACHABLE = "UNREACHABLE"


@dataclass(frozen=True, slots=True)
class Reconsidered:
    """A known image with its new judgement.

    Attributes:
        known: The image.
        after: The judgement; where a gate lacks pixels, that of the gates before it.
        is_whole: Whether every gate judged it that had to.
    """

    known: KnownCandidate
    after: Judgement
    is_whole: bool = True

    @property
    def is_accepted(self) -> bool:
        """Whether it is accepted, as far as it was judged."""
        return self.after.verdict is Verdict.ACCEPTED

    def action(self, *, stored: bool) -> RejudgeAction | None:
        """What is to be done about it; None if nothing changes.

        Args:
            stored: Whether its bytes are in the store.
        """
        before = self.known.before
        changed = before is None or before.judgement.verdict is not self.after.verdict
        if not self.is_accepted:
            if self.known.kept:
                return RejudgeAction.STAYS_KEPT
            return RejudgeAction.RECORD if changed else None
        if self.known.kept:
            return RejudgeAction.KEEP if changed and before is not None else None
        if stored and self.is_whole:
            return RejudgeAction.KEEP
        return RejudgeAction.FETCH if self.known.is_listed else RejudgeAction.UNREACHABLE


@dataclass(frozen=True, slots=True)
class RejudgedImage:
    """An image that a rejudgement changes something for.

    Attributes:
        digest: SHA-256 of its bytes, 64 hex digits.
        decoded: Facts and hashes.
        listing: The listing that it was first fetched for; None if none is known any more.
        before: Its newest judgement under an earlier version of the profile's name; None if there is none.
        after: The judgement under the new version.
        profile: That version.
        action: What is done about it.
    """

    digest: str
    decoded: DecodedCandidate
    listing: Listing | None
    before: EarlierJudgement | None
    after: Judgement
    profile: ProfileVersion
    action: RejudgeAction


@dataclass
class RejudgeSummary:
    """What a rejudgement came to; it is counted while it goes on.

    Attributes:
        profile: The version that judged.
        known_count: Images that this version had judged before.
        unknown_count: Images that cannot be judged without fetching.
        verdicts: Images that were judged, by verdict.
        actions: Images that something changes for, by action.
        crawl_id: The crawl that fetches again; empty if there is none.
    """

    profile: ProfileVersion
    known_count: int = 0
    unknown_count: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    actions: Counter[RejudgeAction] = field(default_factory=Counter)
    crawl_id: str = ""
