"""What the recorder is given to write."""

from __future__ import annotations

from dataclasses import dataclass

from services.crawler.candidate import Candidate
from services.crawler.catalogue.frontier import LeasedListing, Outcome
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.score_distribution import ScoreBins


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What was found by another Lodestone.

    Attributes:
        judge_time: When it was judged there, seconds since 1970.
        accept_time: When it was accepted there.
        is_removed: Whether somebody removed its readable name there: it is not made here.
    """

    judge_time: float
    accept_time: float
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A listing's end that is ready to be written.

    Attributes:
        crawl_id: The crawl that it ends for; None for what a rejudgement found, which ends no listing.
        profile: The profile version that judged.
        leased: The listing.
        outcome: What became of fetching it.
        candidate: The image; its bytes are empty if they are in the store already.
        judgement: What the gates said.
        known: Whether the outcome was known before this crawl.
        bins: Where its score is counted; None for what says nothing of how a source's candidates score.
        elsewhere: What an import knows of it; None for what was found here.
    """

    crawl_id: str | None
    profile: ProfileVersion
    leased: LeasedListing
    outcome: Outcome
    candidate: Candidate
    judgement: Judgement
    known: bool
    bins: ScoreBins | None = None
    elsewhere: Elsewhere | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether every gate passed it."""
        return self.judgement.verdict is Verdict.ACCEPTED

    @property
    def duplicate(self) -> tuple[str, str] | None:
        """Its digest and that of the image of which it was called a duplicate; None if it was not."""
        if self.judgement.verdict is not Verdict.DUPLICATE:
            return None
        return self.candidate.digest, self.judgement.duplicate_of

    @property
    def is_removed(self) -> bool:
        """Whether its readable name was made elsewhere, and removed there."""
        return self.elsewhere is not None and self.elsewhere.is_removed

    def judge_time(self, now: float) -> float:
        """When it was judged, seconds since 1970: now, unless an import says when."""
        return self.elsewhere.judge_time if self.elsewhere else now

    def accept_time(self, now: float) -> float:
        """When it was accepted, seconds since 1970: now, unless an import says when."""
        return self.elsewhere.accept_time if self.elsewhere else now

    def ending(self, verdict: Verdict | None) -> Ending | None:
        """How its listing ends under a verdict; None if it ends none."""
        if self.crawl_id is None:
            return None
        settlement = Settlement(self.outcome, verdict, self.known)
        return Ending(self.crawl_id, self.leased, settlement)
