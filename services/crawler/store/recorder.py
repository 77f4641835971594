"""Writes how listings end: bytes first, then one transaction with the judgement, the image and the outcome."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from services.crawler.candidate import Candidate
from services.crawler.catalogue import crawls, frontier, images, judgements, score_counts
from services.crawler.catalogue.crawls import Settlement
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, Outcome
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.score_distribution import ScoreBins
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.blob_store import BlobStore, ReadableName, StoreAway
from services.crawler.store.file_name import kept_file_name
from services.crawler.store.sidecar import judgement_facts, sidecar_facts
from services.crawler.store.store_wait import StoreWait


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
    """

    crawl_id: str | None
    profile: ProfileVersion
    leased: LeasedListing
    outcome: Outcome
    candidate: Candidate
    judgement: Judgement
    known: bool
    bins: ScoreBins | None = None


class Recorder:
    """The only writer of judgements and images.

    Accepts are decided one after the other: an image is accepted only if none that was accepted before is near it.
    While the store is away, accepts wait.
    """

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        seen: SeenImages,
        wait: StoreWait | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._seen = seen
        self._wait = wait or StoreWait()
        self._accepting = asyncio.Lock()
        self._accepts: set[asyncio.Task[None]] = set()
        self._unnamed: list[tuple[str, ReadableName]] = []
        self._linked: list[tuple[str, str]] = []

    @property
    def waiting_for(self) -> str:
        """What accepts wait for, one sentence; empty while the store can be written."""
        return self._wait.waiting_for

    def require_store(self) -> None:
        """Passes while no accept waits for the store.

        Raises:
            StoreAway: One does.
        """
        self._wait.require_there()

    async def record(self, finding: Finding) -> None:
        """Writes a finding, once the store takes it.

        An accept that is writing is carried through even if the caller is cancelled; one that waits is given up.
        What a rejudgement keeps does not wait: somebody waits for its answer, and may ask again.

        Raises:
            StoreAway: The store does not take what a rejudgement keeps.
        """
        if finding.judgement.verdict is not Verdict.ACCEPTED:
            await self._commit(finding)
            return
        if finding.crawl_id is None:
            await self._carry_through(finding)
            return
        await self._wait.run(lambda: self._carry_through(finding))

    async def is_stored(self, digest: str) -> bool:
        """Whether the bytes of a digest are in the store; waits while it is away."""
        return await self._wait.run(lambda: asyncio.to_thread(self._store.has, digest))

    async def make_missing_links(self) -> None:
        """Gives readable names to kept images that have none: a crash may come between a row and its link."""
        unlinked = await self._database.run(images.list_unlinked)
        self._unnamed += [(digest, (profile, name)) for digest, profile, name in unlinked]
        await self._make_links()
        await self._record_links()

    async def close(self) -> None:
        """Waits for the accepts under way."""
        await asyncio.gather(*self._accepts, return_exceptions=True)

    async def _carry_through(self, finding: Finding) -> None:
        task = asyncio.create_task(self._accept(finding))
        self._accepts.add(task)
        task.add_done_callback(self._forget)
        await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._accepts.discard(task)
        if not task.cancelled():
            # Whoever was cancelled does not ask how it ended.
            task.exception()

    async def _accept(self, finding: Finding) -> None:
        async with self._accepting:
            file_name = await self._decide(finding)
        if file_name:
            name = (finding.profile.name, file_name)
            self._unnamed.append((finding.candidate.digest, name))
            await self._make_links()
        # Whoever accepts now writes it in the same transaction as its own row.
        if not self._accepting.locked():
            await self._record_links()

    async def _decide(self, finding: Finding) -> str:
        """Accepts, unless it turns out a duplicate. Returns the readable name that it is to have; empty if none."""
        candidate, profile = finding.candidate, finding.profile
        sighting = self._seen.find(profile.name, candidate.digest, candidate.decoded)
        if sighting is not None:
            evidence = finding.judgement.evidence
            late = Judgement(Verdict.DUPLICATE, sighting.reason, evidence, sighting.digest)
            await self._commit(replace(finding, judgement=late))
            return ""
        await asyncio.to_thread(self._write_files, finding)
        file_name = _file_name(finding)
        new_image, new_keep = await self._commit(finding, file_name)
        if new_image:
            self._seen.add_kept(candidate.digest, candidate.decoded.fingerprint)
        return file_name if new_keep else ""

    def _write_files(self, finding: Finding) -> None:
        candidate, profile = finding.candidate, finding.profile
        facts = sidecar_facts(finding.leased.listing, finding.outcome, candidate, finding.judgement)
        judged = judgement_facts(
            profile, finding.judgement, crawl_id=finding.crawl_id, time=time.time()
        )
        facts["judgements"] = {str(profile): judged}
        self._store.put_with_sidecar(candidate.encoded, candidate.digest, facts)

    async def _make_links(self) -> None:
        """Gives the readable names that are owed. The row is written: what the store refuses is owed until later."""
        owed, self._unnamed = self._unnamed, []
        while owed:
            digest, name = owed[-1]
            try:
                is_made = await asyncio.to_thread(self._store.link, digest, name)
            except StoreAway as away:
                self._wait.log(away)
                self._unnamed += owed
                return
            owed.pop()
            if is_made:
                self._linked.append((digest, name[0]))
            else:
                structlog.get_logger().warning("blobs_lost", count=1, digests=[digest])

    async def _record_links(self) -> None:
        linked = self._take_linked()
        if linked:
            await self._database.run(lambda connection: _write_links(connection, linked))

    def _take_linked(self) -> list[tuple[str, str]]:
        """Links that no row tells of yet; should the row fail, the next start makes them again."""
        linked, self._linked = self._linked, []
        return linked

    async def _commit(self, finding: Finding, file_name: str = "") -> tuple[bool, bool]:
        """One transaction. Returns whether the image is new to the store, and new under the profile."""
        linked = self._take_linked()

        def work(connection: Connection) -> tuple[bool, bool]:
            _write_links(connection, linked)
            return _write(connection, finding, file_name)

        return await self._database.run(work)


def _write_links(connection: Connection, linked: list[tuple[str, str]]) -> None:
    for digest, profile_name in linked:
        images.record_link(connection, digest, profile_name)


def settle(
    connection: Connection, crawl_id: str, leased: LeasedListing, settlement: Settlement
) -> None:
    """Ends a listing for one crawl and lets go of it; a new outcome is written."""
    if not settlement.known:
        frontier.record_outcome(connection, leased.listing_id, settlement.outcome)
    else:
        frontier.let_go(connection, leased.listing_id)
    crawls.settle(connection, crawl_id, leased.listing_id, settlement)


def _write(connection: Connection, finding: Finding, file_name: str) -> tuple[bool, bool]:
    now = time.time()
    candidate, judgement, profile = finding.candidate, finding.judgement, finding.profile
    judgements.record_candidate(
        connection,
        candidate.digest,
        candidate.decoded,
        size_bytes=finding.outcome.size_bytes,
        evidence=judgement.evidence,
    )
    if judgements.record_judgement(connection, candidate.digest, profile, judgement, now=now):
        _count_score(connection, finding, now)
    new_image = new_keep = False
    if file_name:
        new_image = images.record_image(
            connection, candidate.digest, finding.leased.listing_id, finding.outcome, now=now
        )
        kept = images.Keep(profile, finding.leased.listing_id, file_name, now)
        new_keep = images.keep(connection, candidate.digest, kept)
    if finding.crawl_id is not None:
        settlement = Settlement(finding.outcome, judgement.verdict, finding.known)
        settle(connection, finding.crawl_id, finding.leased, settlement)
    return new_image, new_keep


def _count_score(connection: Connection, finding: Finding, now: float) -> None:
    score = finding.judgement.evidence.score
    if finding.bins is None or score is None:
        return
    scored = finding.bins.range_of(score.log_likelihood)
    source = finding.leased.listing.source
    score_counts.count_score(connection, finding.profile, source, scored, now=now)


def _file_name(finding: Finding) -> str:
    return kept_file_name(
        finding.leased.listing,
        format_name=finding.candidate.decoded.format,
        digest=finding.candidate.digest,
        time=time.time(),
    )
