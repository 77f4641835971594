"""Takes exported images into the store: verified, decoded, and accepted in the one order that all accepts have."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from services.crawler.candidate import Candidate
from services.crawler.catalogue import imports
from services.crawler.catalogue.frontier import Outcome
from services.crawler.catalogue.imports import Standing
from services.crawler.crawl.pipeline import PipelineParts
from services.crawler.decoding.decoder import Decoder
from services.crawler.image_record import ImageRecord, RecordedJudgement, RecordedKeep
from services.crawler.judgement import Judgement, Verdict
from services.crawler.outcome import OutcomeState
from services.crawler.store.finding import Elsewhere, Finding
from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode


class ImportAction(StrEnum):
    """What is done about an image; the names are those of the contract."""

    KEPT = "KEPT"
    KNOWN = "KNOWN"
    DUPLICATE = "DUPLICATE"
    PURGED = "PURGED"
    JUDGED_OTHERWISE = "JUDGED_OTHERWISE"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an image.

    Attributes:
        action: What was done.
        reason: Why it is not kept, one sentence; empty if it is.
    """

    action: ImportAction
    reason: str = ""


# Of several profiles that an image is kept for, what is told first.
_ORDER = (
    ImportAction.KEPT,
    ImportAction.KNOWN,
    ImportAction.DUPLICATE,
    ImportAction.JUDGED_OTHERWISE,
    ImportAction.PURGED,
)


class Turns:
    """Lets tasks work side by side and do one thing in the order in which they came."""

    def __init__(self) -> None:
        self._last = asyncio.Event()
        self._last.set()

    def take(self) -> Turn:
        """The next turn."""
        turn = Turn(self._last)
        self._last = turn.over
        return turn


class Turn:
    """One task's place behind another's.

    Attributes:
        over: Set when the next one may go.
    """

    def __init__(self, before: asyncio.Event) -> None:
        self._before = before
        self.over = asyncio.Event()

    async def come(self) -> None:
        """Waits until all before have ended theirs."""
        await self._before.wait()


class Importing:
    """Uses the crawls' recorder, and a decoder of its own while an import goes on: no model service is asked."""

    def __init__(self, parts: PipelineParts, make_decoder: Callable[[], Decoder]) -> None:
        self._parts = parts
        self._make_decoder = make_decoder

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Import]:
        """An import, which ends with its context."""
        async with self._make_decoder() as decoder:
            try:
                yield Import(self._parts, decoder)
            finally:
                await self._parts.database.run(imports.complete_imports)


class Import:
    """One import."""

    def __init__(self, parts: PipelineParts, decoder: Decoder) -> None:
        self._parts = parts
        self._decoder = decoder

    async def look(self, record: ImageRecord, encoded: bytes) -> Candidate | None:
        """Verifies and decodes an image; None if it is known under every profile that kept it, or was purged.

        Its facts and hashes are what decoding gives here.

        Raises:
            ItemRejected: The bytes are not those of its digest, or do not decode.
        """
        digest = await asyncio.to_thread(lambda: hashlib.sha256(encoded).hexdigest())
        if digest != record.digest:
            reason = f"its {len(encoded):,} bytes have the digest {digest[:12]}, not {record.digest[:12]}"
            raise ItemRejected(RejectionCode.BAD_RECORD, reason)
        standing = await self._standing(record)
        if standing.purged or all(_told(standing, keep) for keep in record.keeps):
            return None
        return Candidate(encoded, digest, await self._decoder.decode(encoded))

    async def take(self, record: ImageRecord, candidate: Candidate | None) -> Imported:
        """Keeps an image under every profile that kept it, unless something here is against it."""
        async with self._parts.digests.hold(record.digest):
            before = await self._standing(record)
            if before.purged or self._parts.seen.is_forbidden(record.digest):
                return Imported(ImportAction.PURGED, before.purged or "it was purged here")
            for keep in record.keeps:
                if _told(before, keep) is None:
                    assert candidate is not None, "what was judged stays so until it is purged"
                    await self._record(record, keep, candidate, before)
            after = await self._standing(record)
            if any(one.profile not in after.verdicts for one in record.judgements):
                await self._parts.database.run(partial(imports.add_judgements, record=record))
        return _first([_ended(before, after, keep) for keep in record.keeps])

    async def _record(
        self, record: ImageRecord, keep: RecordedKeep, candidate: Candidate, standing: Standing
    ) -> None:
        listing = keep.origin.listing
        judged = next(one for one in record.judgements if one.profile == keep.profile)
        admitted = await self._parts.database.run(
            partial(imports.admit, profile=keep.profile, listing=listing, now=time.time())
        )
        outcome = Outcome(
            OutcomeState.FETCHED,
            None,
            "",
            keep.origin.final_url,
            record.digest,
            len(candidate.encoded),
            keep.origin.fetch_time or keep.time,
            compliance=record.compliance,
        )
        finding = Finding(
            admitted.crawl_id,
            keep.profile,
            admitted.leased,
            outcome,
            candidate,
            _with_embedding(record, judged, is_wanted=not standing.has_embedding),
            known=False,
            elsewhere=Elsewhere(judged.time, keep.time, is_removed=keep.is_removed),
        )
        await self._parts.recorder.record(finding)

    async def _standing(self, record: ImageRecord) -> Standing:
        return await self._parts.database.run(partial(imports.standing_of, record=record))


def _ended(before: Standing, after: Standing, keep: RecordedKeep) -> Imported:
    """What became of an image under one profile."""
    told = _told(after, keep)
    if told is None:
        return Imported(ImportAction.PURGED, "it was purged meanwhile, by another crawler")
    is_new = _told(before, keep) is None and told.action is ImportAction.KNOWN
    return Imported(ImportAction.KEPT) if is_new else told


def _told(standing: Standing, keep: RecordedKeep) -> Imported | None:
    """What was said here of an image under a profile that kept it elsewhere; None if nothing."""
    found = standing.verdicts.get(keep.profile)
    if found is None:
        return None
    verdict, reason = found
    if verdict is Verdict.ACCEPTED:
        return Imported(ImportAction.KNOWN)
    if verdict is Verdict.DUPLICATE:
        return Imported(ImportAction.DUPLICATE, reason)
    return Imported(ImportAction.JUDGED_OTHERWISE, f"{keep.profile} said here: {reason}")


def _first(told: list[Imported]) -> Imported:
    return min(told, key=lambda one: _ORDER.index(one.action))


def _with_embedding(
    record: ImageRecord, judged: RecordedJudgement, *, is_wanted: bool
) -> Judgement:
    evidence = judged.judgement.evidence
    embedding = record.evidence.embedding if is_wanted else None
    return replace(judged.judgement, evidence=replace(evidence, embedding=embedding))
