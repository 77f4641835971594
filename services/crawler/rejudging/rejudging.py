"""Judges what is known again under another profile version, and sees to what it changes. Nothing is fetched for it."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from services.crawler.candidate import Candidate
from services.crawler.catalogue import judgements, known_candidates, late_judgements
from services.crawler.catalogue.crawls import Crawl
from services.crawler.catalogue.frontier import Outcome
from services.crawler.catalogue.known_candidates import KnownCandidate, RejudgeTerms
from services.crawler.crawl.pipeline import PipelineParts
from services.crawler.judgement import Judgement, ProfileVersion, Score
from services.crawler.models.model_services import ModelServices
from services.crawler.outcome import OutcomeState
from services.crawler.rejudging.known_judging import KnownJudging
from services.crawler.rejudging.rejudgement import (
    Reconsidered,
    RejudgeAction,
    RejudgedImage,
    RejudgeSummary,
)
from services.crawler.store.finding import Finding

_PAGE = 1_024
# Images between two turns for other work.
_TURN = 16

# Leases known listings again for a profile version.
FetchAgain: TypeAlias = Callable[[ProfileVersion, Sequence[int]], Awaitable[Crawl]]


class Rejudging:
    """Judges every known image again, some at a time."""

    def __init__(
        self, parts: PipelineParts, models: ModelServices, fetch_again: FetchAgain
    ) -> None:
        self._parts = parts
        self._models = models
        self._fetch_again = fetch_again

    async def rejudge(
        self, profile: str, *, dry_run: bool
    ) -> AsyncIterator[RejudgedImage | RejudgeSummary]:
        """Yields what changes, then the summary. Doing it again goes on where it ended.

        Args:
            profile: `landscapes` or `landscapes@3`.
            dry_run: Change nothing.

        Raises:
            NotFound: There is no such profile.
            FailedPrecondition: The profile does not take what is served: another encoder, or another precision.
            Unavailable: A model service or the store is away.
        """
        terms = await self._terms(profile)
        judging = KnownJudging(self._parts.inspector, self._models, terms.profile)
        run = _Run(self._parts, terms, judging, dry_run=dry_run)
        async for image in run.images():
            yield image
        if run.to_fetch and not dry_run:
            # All at once, at the end: before that nothing is promised, and the crawl cannot end in between.
            crawl = await self._fetch_again(terms.profile, run.to_fetch)
            run.summary.crawl_id = crawl.crawl_id
        yield run.summary

    async def _terms(self, name: str) -> RejudgeTerms:
        profile = (await self._models.profile(name)).profile
        served = await self._parts.inspector.refresh()
        await self._parts.inspector.precision.require(profile, served.encoder)
        # Asked for again: a precision may have been admitted just now.
        facts = await self._models.profile(str(profile))
        precisions = facts.admitted | {facts.precision}
        return RejudgeTerms(profile, facts.encoder_id, precisions, served.detector.detector_id)


class _Run:
    """One rejudgement.

    Attributes:
        summary: What it came to so far.
        to_fetch: The listings that are to be leased again, by their rows: 8 bytes each.
    """

    def __init__(
        self, parts: PipelineParts, terms: RejudgeTerms, judging: KnownJudging, *, dry_run: bool
    ) -> None:
        self._parts = parts
        self._terms = terms
        self._judging = judging
        self._dry_run = dry_run
        self.summary = RejudgeSummary(terms.profile)
        self.to_fetch = array("q")

    async def images(self) -> AsyncIterator[RejudgedImage]:
        """Goes through all candidates; yields those that something changes for, once it is recorded."""
        after = 0
        while page := await self._page(after):
            scores = await self._judging.score(page)
            for image in await self._rejudge(page, scores):
                yield image
            after = page[-1].position

    async def _page(self, after: int) -> list[KnownCandidate]:
        read = partial(known_candidates.list_known, terms=self._terms, after=after, limit=_PAGE)
        return await self._parts.database.run(read)

    async def _rejudge(
        self, page: Sequence[KnownCandidate], scores: dict[str, Score]
    ) -> list[RejudgedImage]:
        # One look at the disk for all of them: a thread for each costs more than judging it.
        stored = await asyncio.to_thread(self._stored, page)
        decided: list[Reconsidered] = []
        ended: dict[str, Judgement] = {}
        for place, known in enumerate(page):
            found = await self._reconsider(known, scores)
            if found is not None and known.judged is None:
                found = await self._act(found, ended, stored=known.digest in stored)
            if found is not None:
                decided.append(found)
            if place % _TURN == 0:
                # Others have work too, and a look among millions of kept images takes its time.
                await asyncio.sleep(0)
        stands = ended if self._dry_run or not ended else await self._record(ended)
        gone = ended.keys() - stands.keys()
        there = [_as_it_stands(one, stands) for one in decided if one.known.digest not in gone]
        return [
            image
            for found in there
            for image in self._tell(found, stored=found.known.digest in stored)
        ]

    async def _reconsider(
        self, known: KnownCandidate, scores: dict[str, Score]
    ) -> Reconsidered | None:
        """Judges what this version has not; of what it has, only what is kept all the same is told again."""
        if known.judged is not None:
            self.summary.known_count += 1
            found = Reconsidered(known, known.judged)
            return found if known.kept and not found.is_accepted else None
        judged = await self._judging.judge(known, scores)
        self.summary.unknown_count += judged is None
        return judged

    def _stored(self, page: Sequence[KnownCandidate]) -> set[str]:
        """What the profile does not keep and is in the store."""
        news = (one for one in page if one.judged is None and not one.kept and one.leased)
        return self._parts.store.present(one.digest for one in news)

    async def _act(
        self, found: Reconsidered, ended: dict[str, Judgement], *, stored: bool
    ) -> Reconsidered | None:
        """Does what is to be done at once; adds to `ended` what need only be recorded. None if it cannot be done."""
        known, action = found.known, found.action(stored=stored)
        if action is RejudgeAction.KEEP and not known.kept:
            return await self._keep(found)
        if action is RejudgeAction.FETCH:
            assert known.leased is not None, "what is fetched again is listed"
            self.to_fetch.append(known.leased.listing_id)
        elif found.is_whole and action is not RejudgeAction.UNREACHABLE:
            ended[known.digest] = found.after
        return found

    def _tell(self, found: Reconsidered, *, stored: bool) -> list[RejudgedImage]:
        if found.known.judged is None:
            self.summary.verdicts[found.after.verdict] += 1
        action = found.action(stored=stored)
        return [] if action is None else [self._changed(found, action)]

    def _changed(self, found: Reconsidered, action: RejudgeAction) -> RejudgedImage:
        self.summary.actions[action] += 1
        known = found.known
        listing = known.leased.listing if known.leased else None
        return RejudgedImage(
            known.digest,
            known.decoded,
            listing,
            known.before,
            found.after,
            self._terms.profile,
            action,
        )

    async def _keep(self, found: Reconsidered) -> Reconsidered | None:
        """Keeps it as a crawl does: it may turn out a duplicate. None if it was purged, or its bytes are gone."""
        known, parts = found.known, self._parts
        if self._dry_run:
            self._judging.plan(known)
            return found
        async with parts.digests.hold(known.digest):
            if parts.seen.is_forbidden(known.digest):
                return None
            judged = await self._judged(known.digest)
            if judged is None:
                await parts.recorder.record(self._finding(found))
                judged = await self._judged(known.digest)
        # Another crawler purges whatever is held here; what is gone from the store is fetched by the next rejudgement.
        return None if judged is None else Reconsidered(known, judged)

    def _finding(self, found: Reconsidered) -> Finding:
        known = found.known
        assert known.leased is not None, "an image in the store has a listing"
        outcome = known.leased.outcome
        fetched = Outcome(
            OutcomeState.FETCHED,
            None,
            "",
            outcome.final_url if outcome else "",
            known.digest,
            known.size_bytes,
            outcome.time if outcome else time.time(),
        )
        candidate = Candidate(b"", known.digest, known.decoded)
        return Finding(
            None, self._terms.profile, known.leased, fetched, candidate, found.after, known=True
        )

    async def _judged(self, digest: str) -> Judgement | None:
        read = partial(judgements.get_judgement, digest=digest, profile=self._terms.profile)
        judged = await self._parts.database.run(read)
        return None if judged is None else judged[1]

    async def _record(self, ended: Mapping[str, Judgement]) -> dict[str, Judgement]:
        record = partial(
            late_judgements.record_judgements,
            profile=self._terms.profile,
            judged=ended,
            now=time.time(),
        )
        return await self._parts.database.run(record)


def _as_it_stands(found: Reconsidered, stands: Mapping[str, Judgement]) -> Reconsidered:
    """What was recorded: a better copy may have replaced it since it was read, and then it is not kept any more."""
    after = stands.get(found.known.digest, found.after)
    if after is found.after:
        return found
    return Reconsidered(replace(found.known, kept=False), after)
