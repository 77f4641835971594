"""Takes one leased listing to its outcome and judgement: fetch, decode, screen, gates, record."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from services.crawler.candidate import Candidate
from services.crawler.catalogue import frontier, judgements
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.crawls import Crawl
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, Outcome
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.crawl.placeholders import Placeholders
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.host_paces import HostPaces, HostResting
from services.crawler.gates.gate import NeedsPixels, Subject, judge
from services.crawler.judgement import Evidence, Judgement, Verdict
from services.crawler.judging.inspector import Inspector
from services.crawler.keyed_lock import KeyedLock
from services.crawler.outcome import (
    Fetched,
    FetchFailed,
    OutcomeReason,
    OutcomeState,
)
from services.crawler.score_distribution import ScoreBins
from services.crawler.screen import Screen
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.blob_store import BlobStore
from services.crawler.store.finding import Finding
from services.crawler.store.recorder import Recorder
from services.servicekit.errors import ItemRejected

MAX_ATTEMPTS = 3
_RETRY_AFTER_S = 5.0
_HASH_HERE_BYTES = 1_000_000


@dataclass(frozen=True)
class PipelineParts:
    """What the pipelines of all crawls share.

    Attributes:
        digests: Held while bytes are judged, so that the same bytes are judged once.
        placeholders: What hosts show in place of pictures that are gone.
    """

    database: Database
    store: BlobStore
    fetcher: Fetcher
    inspector: Inspector
    screen: Screen
    recorder: Recorder
    seen: SeenImages
    digests: KeyedLock = field(default_factory=KeyedLock)
    placeholders: Placeholders = field(default_factory=Placeholders)


class Pipeline:
    """Works for one crawl. `process` may run many times at once."""

    def __init__(
        self, parts: PipelineParts, crawl: Crawl, owner: str, bins: ScoreBins | None = None
    ) -> None:
        self._parts = parts
        # Only what sources list says how candidates score: a refetch has none, and was chosen by its scores.
        self._bins = bins if crawl.request.sources else None
        self._crawl_id = crawl.crawl_id
        self._profile = crawl.request.profile
        self._owner = owner
        self._gates = parts.inspector.gates(self._profile, duplicates=True)

    @property
    def paces(self) -> HostPaces:
        """How fast each host is asked."""
        return self._parts.fetcher.paces

    async def process(self, leased: LeasedListing) -> None:
        """Settles the listing, or gives it back to be tried again later.

        Raises:
            FailedPrecondition: The profile does not fit the encoder that is served.
            InvalidInput: The profile is gone.
        """
        if leased.outcome is not None and await self._settle_known(leased, leased.outcome):
            return
        began = time.monotonic()
        try:
            fetched = await self._parts.fetcher.fetch(leased.listing)
            await self._settle_fetched(leased, fetched, began)
        except HostResting as resting:
            await self._rest(leased, resting)
        except FetchFailed as failure:
            await self._settle_failure(leased, failure, began)

    async def _settle_known(self, leased: LeasedListing, outcome: Outcome) -> bool:
        """Settles a listing from what is recorded, or gives it back; False if it must be fetched again."""
        if outcome.size_px is not None and self._parts.screen.passes(outcome.size_px):
            # Another screen left it out.
            return False
        if outcome.state is not OutcomeState.FETCHED:
            await self._settle(leased, Settlement(outcome, None, known=True))
            return True
        async with self._parts.digests.hold(outcome.digest):
            verdict = await self._verdict(outcome.digest)
            if verdict is not None:
                await self._settle(leased, Settlement(outcome, verdict, known=True))
                return True
            return await self._judge_recorded(leased, outcome)

    async def _settle_fetched(self, leased: LeasedListing, fetched: Fetched, began: float) -> None:
        digest = await _digest(fetched.encoded)
        if self._parts.seen.is_forbidden(digest):
            message = f"the image {digest[:12]} was purged"
            raise FetchFailed(OutcomeReason.PURGED, message, final_url=fetched.final_url)
        self._parts.placeholders.refuse_bytes(digest, final_url=fetched.final_url)
        size_bytes = len(fetched.encoded)
        outcome = Outcome(
            OutcomeState.FETCHED,
            None,
            "",
            fetched.final_url,
            digest,
            size_bytes,
            time.time(),
            compliance=fetched.compliance,
        )
        async with self._parts.digests.hold(digest):
            verdict = await self._verdict(digest)
            if verdict is not None:
                outcome = replace(outcome, work_s=time.monotonic() - began)
                await self._settle(leased, Settlement(outcome, verdict, known=False))
                return
            try:
                candidate, judgement = await self._judge_fetched(fetched, digest)
            except ItemRejected as rejection:
                raise FetchFailed.from_rejection(
                    rejection, final_url=fetched.final_url, size_bytes=size_bytes
                ) from rejection
            outcome = replace(outcome, work_s=time.monotonic() - began)
            await self._record(leased, outcome, candidate, judgement)

    async def _judge_fetched(self, fetched: Fetched, digest: str) -> tuple[Candidate, Judgement]:
        decoded = await self._parts.inspector.decode(fetched.encoded)
        self._parts.placeholders.refuse_picture(decoded.fingerprint, final_url=fetched.final_url)
        self._parts.screen.check(decoded.width_px, decoded.height_px)
        subject = Subject(digest, decoded, Evidence(), fetched.encoded)
        judgement = await judge(self._gates, subject)
        return Candidate(fetched.encoded, digest, decoded), judgement

    async def _judge_recorded(self, leased: LeasedListing, outcome: Outcome) -> bool:
        """Judges under another profile what was fetched before; False if its pixels or bytes are needed."""
        served = await self._parts.inspector.refresh()
        recorded = await self._parts.database.run(
            lambda connection: judgements.get_candidate(
                connection,
                outcome.digest,
                encoder_id=served.encoder.encoder_id,
                detector_id=served.detector.detector_id,
            )
        )
        if recorded is None:
            return False
        decoded, evidence = recorded
        evidence = self._parts.inspector.with_threshold(evidence)
        evidence = await self._parts.inspector.comparable(self._profile, evidence)
        try:
            judgement = await judge(self._gates, Subject(outcome.digest, decoded, evidence))
        except NeedsPixels:
            return False
        is_accepted = judgement.verdict is Verdict.ACCEPTED
        if is_accepted and not await self._parts.recorder.is_stored(outcome.digest):
            return False
        candidate = Candidate(b"", outcome.digest, decoded)
        await self._record(leased, outcome, candidate, judgement, known=True)
        return True

    async def _record(
        self,
        leased: LeasedListing,
        outcome: Outcome,
        candidate: Candidate,
        judgement: Judgement,
        *,
        known: bool = False,
    ) -> None:
        finding = Finding(
            self._crawl_id,
            self._profile,
            leased,
            outcome,
            candidate,
            judgement,
            known,
            self._bins,
        )
        if not await self._parts.recorder.record(finding):
            await self._give_back(leased)

    async def _give_back(self, leased: LeasedListing) -> None:
        """Gives a listing back that is to be judged again."""

        def work(connection: Connection) -> None:
            self._release(connection, leased, catalogue_time(connection), tried=False)

        await self._parts.database.run(work)

    async def _rest(self, leased: LeasedListing, resting: HostResting) -> None:
        """Gives a listing back that was not asked for, and holds back the others of its host."""

        def work(connection: Connection) -> None:
            until = catalogue_time(connection) + resting.wait_s
            self._release(connection, leased, until, tried=False)
            if resting.host == leased.host:
                frontier.rest_host(connection, resting.host, until=until)

        await self._parts.database.run(work)

    def _release(
        self, connection: Connection, leased: LeasedListing, until: float, *, tried: bool
    ) -> None:
        frontier.release(
            connection, leased.listing_id, self._owner, next_attempt_time=until, tried=tried
        )

    async def _settle_failure(
        self, leased: LeasedListing, failure: FetchFailed, began: float
    ) -> None:
        tries = leased.attempts + 1
        if failure.retryable and tries < MAX_ATTEMPTS:
            await self._try_again(leased, failure)
            return
        message = f"{failure} (after {tries} tries)" if failure.retryable else str(failure)
        outcome = Outcome(
            failure.state,
            failure.reason,
            message,
            failure.final_url,
            "",
            failure.size_bytes,
            time.time(),
            failure.size_px,
            work_s=time.monotonic() - began,
        )
        await self._settle(leased, Settlement(outcome, None, known=False))

    async def _try_again(self, leased: LeasedListing, failure: FetchFailed) -> None:
        wait_s = max(_RETRY_AFTER_S * 2**leased.attempts, failure.retry_after_s or 0.0)

        def work(connection: Connection) -> None:
            until = catalogue_time(connection) + wait_s
            self._release(connection, leased, until, tried=True)

        await self._parts.database.run(work)

    async def _verdict(self, digest: str) -> Verdict | None:
        judged = await self._parts.database.run(
            lambda connection: judgements.get_judgement(connection, digest, self._profile)
        )
        return None if judged is None else judged[1].verdict

    async def _settle(self, leased: LeasedListing, settlement: Settlement) -> None:
        if not await self._parts.recorder.settle(Ending(self._crawl_id, leased, settlement)):
            await self._give_back(leased)


async def _digest(encoded: bytes) -> str:
    """SHA-256, 64 hex digits; in a thread where it would hold the event loop up for a millisecond."""
    if len(encoded) > _HASH_HERE_BYTES:
        return await asyncio.to_thread(lambda: hashlib.sha256(encoded).hexdigest())
    return hashlib.sha256(encoded).hexdigest()
