"""Writes how listings end: bytes first, then one transaction with the judgement, the image and the outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import structlog

from services.crawler.catalogue import images
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.near_reading import NearReading
from services.crawler.catalogue.settling import Ending
from services.crawler.judgement import Judgement, Verdict
from services.crawler.keyed_lock import KeyedLock
from services.crawler.seen.better_copy import why_to_replace
from services.crawler.seen.seen_images import SeenImages, Sighting
from services.crawler.store.accept_turns import AcceptTurns
from services.crawler.store.blob_store import BlobLost, BlobStore, StoreAway
from services.crawler.store.file_name import kept_file_name
from services.crawler.store.file_work import FileWork
from services.crawler.store.finding import Finding
from services.crawler.store.name_making import NameMaking
from services.crawler.store.record_queue import RecordQueue
from services.crawler.store.recording import End, Entry, Recording
from services.crawler.store.replaced_files import ReplacedFileRemoval
from services.crawler.store.sidecar import judgement_facts, sidecar_facts
from services.crawler.store.store_wait import StoreWait

Result = TypeVar("Result")


class Recorder:
    """The only writer of judgements, images and outcomes, and what comes at the same time is written together.

    Accepts are decided in one order: an image is accepted only if none that was accepted before is near it, by whatever
    crawler, or if it is better than all of those, whose place it takes. While the store is away, accepts wait.

    Attributes:
        files: Held, by digest, by whoever makes or removes an image's files.
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
        self._near = NearReading(database, seen)
        self._turns = AcceptTurns()
        # Held, by digest, by whoever makes or removes an image's files.
        self.files = KeyedLock()
        work = FileWork(database, store, self._wait, self.files)
        self._names, self._removal = NameMaking(work), ReplacedFileRemoval(work)
        self._queue = RecordQueue(self._write)
        # Accepts, and what is done behind the writer's back.
        self._under_way: set[asyncio.Task[Any]] = set()

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

    async def record(self, finding: Finding) -> bool:
        """Writes a finding, once the store takes it; nothing is written of a listing that another crawler has now.

        False if nothing was written, and it is to be judged again: a person said meanwhile that it is no duplicate, or
        the bytes are gone that were in the store.

        An accept that is writing is carried through even if the caller is cancelled; one that waits is given up.
        What a rejudgement keeps does not wait: somebody waits for its answer, and may ask again.

        Raises:
            StoreAway: The store does not take what a rejudgement keeps.
        """
        if not finding.is_accepted:
            end = await self._queue.put(Entry(finding))
        elif finding.crawl_id is None:
            end = await self._carry_through(finding)
        else:
            end = await self._wait.run(lambda: self._carry_through(finding))
        return end is not End.OUTDATED

    async def settle(self, ending: Ending) -> bool:
        """Ends a listing of which nothing is to be judged, as `record` does.

        False if nothing was written, and it is to be judged: a person's word ended the judgement meanwhile that it was
        to end by.
        """
        return await self._queue.put(Entry(ending)) is not End.OUTDATED

    async def is_stored(self, digest: str) -> bool:
        """Whether the bytes of a digest are in the store; waits while it is away."""
        return await self._wait.run(lambda: asyncio.to_thread(self._store.has, digest))

    async def make_missing_links(self) -> None:
        """Gives readable names to kept images that have none: a crash may come between a row and its link."""
        self._names.owe(await self._database.run(images.list_unlinked))
        await self._names.make()
        await self._names.record()

    async def remove_replaced(self) -> None:
        """Removes the files of replaced images that processes left when they ended. Only at a start.

        Raises:
            StoreAway: The store does not take it now.
        """
        await self._removal.finish()

    async def remove_files_of(self, digest: str) -> None:
        """Returns once the files are gone that an image had when a better copy replaced it; at once if none did.

        Raises:
            StoreAway: The store does not take it now.
        """
        await self._removal.finish_one(digest)

    async def close(self) -> None:
        """Waits for the accepts under way, and for what follows from them."""
        await self._end_under_way()
        await self._queue.join()
        await self._end_under_way()

    async def _carry_through(self, finding: Finding) -> End:
        return await asyncio.shield(self._begin(self._accept(finding)))

    def _begin(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        return task

    async def _end_under_way(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Whoever was cancelled does not ask how it ended.
            task.exception()

    async def _accept(self, finding: Finding) -> End:
        candidate, file_name = finding.candidate, _file_name(finding)
        async with self._turns.turn(candidate.digest, candidate.decoded):
            end = await self._decide(finding, file_name)
        if end is End.KEPT and not finding.is_removed:
            name = (finding.profile.name, file_name)
            self._names.owe([(candidate.digest, name)])
            await self._names.make()
        await self._removal.remove()
        # Whoever is written next takes it along.
        if self._queue.is_idle:
            await self._names.record()
        return end

    async def _decide(self, finding: Finding, file_name: str) -> End:
        """Accepts, unless it turns out a duplicate; more than once where the rows say that it was too early."""
        digest = finding.candidate.digest
        is_owed, after_removal, is_written = self._seen.is_replaced(digest), False, False
        end = End.PUT_OFF
        try:
            while end is End.PUT_OFF:
                sighting = await self._duplicate_of(finding)
                if sighting is not None:
                    end = await self._turn_down(finding, sighting)
                elif is_owed:
                    # Nobody is to remove what is written from here on. That takes its time, so it is looked at again.
                    await self._removal.finish_one(digest)
                    is_owed, after_removal = False, True
                else:
                    end = await self._keep(finding, file_name, after_removal=after_removal)
                    is_owed, is_written = end is End.PUT_OFF, bool(finding.candidate.encoded)
        finally:
            # Also if it fails in between: whoever tries again does not know that they are there.
            if is_written and end not in (End.KEPT, End.KEPT_BEFORE):
                await self._take_back(digest)
        return end

    async def _turn_down(self, finding: Finding, sighting: Sighting) -> End:
        """Writes that it is a duplicate; puts it off if a person says by now that it is none."""
        evidence = finding.judgement.evidence
        late = Judgement(Verdict.DUPLICATE, sighting.reason, evidence, sighting.digest)
        end = await self._queue.put(Entry(replace(finding, judgement=late)))
        return End.PUT_OFF if end is End.OUTDATED else end

    async def _keep(self, finding: Finding, file_name: str, *, after_removal: bool) -> End:
        """Writes its files and its row."""
        digest = finding.candidate.digest
        async with self.files.hold(digest):
            try:
                await asyncio.to_thread(self._write_files, finding)
            except BlobLost:
                # They were removed since somebody saw them there.
                return End.OUTDATED
            end = await self._queue.put(Entry(finding, file_name, after_removal))
            if end is End.PURGED:
                # By another crawler, between its bytes and now: they are not to stay.
                await asyncio.to_thread(self._store.remove, digest, ())
        return end

    async def _take_back(self, digest: str) -> None:
        """Removes the bytes of what is not kept after all, unless another crawler may just be keeping the same."""
        if self._database.is_shared:
            return
        async with self.files.hold(digest):
            if await self._database.run(partial(images.find_sequences, digests=[digest])):
                return
            try:
                await asyncio.to_thread(self._store.remove, digest, ())
            except StoreAway as away:
                # A check finds them, unless it is kept after all.
                self._wait.log(away)

    async def _duplicate_of(self, finding: Finding) -> Sighting | None:
        """What it is a duplicate of as far as is known now; so that its bytes are written only if they may stay."""
        candidate, name = finding.candidate, finding.profile.name
        look = partial(self._seen.sightings, name, candidate.digest, candidate.decoded)
        near = await self._near.read(candidate.digest, look, with_facts=True)
        if not near.sightings:
            return None
        if why_to_replace(name, candidate.decoded, finding.judgement.evidence, near):
            return None
        return near.sightings[0]

    async def _write(self, entries: Sequence[Entry]) -> Sequence[End]:
        """One transaction; what it brings of others is remembered with what is its own."""
        with self._names.taking_made() as made:
            recorded = await self._database.run(Recording(entries, made, self._seen))
        self._seen.learn(recorded.news)
        for files in recorded.replaced:
            self._seen.note_replaced(files.digest, files.replaced_by)
        self._removal.owe(recorded.replaced)
        if recorded.void:
            # The store may take long, and everybody waits for this writer.
            self._names.void(recorded.void)
            self._begin(self._names.withdraw())
        lost = sum(end is End.LEASE_LOST for end in recorded.ends)
        if lost:
            structlog.get_logger().warning("leases_lost", count=lost)
        return recorded.ends

    def _write_files(self, finding: Finding) -> None:
        candidate, profile = finding.candidate, finding.profile
        facts = sidecar_facts(finding.leased.listing, finding.outcome, candidate, finding.judgement)
        judged = judgement_facts(
            profile,
            finding.judgement,
            crawl_id=finding.crawl_id,
            time=finding.judge_time(time.time()),
        )
        facts["judgements"] = {str(profile): judged}
        self._store.put_with_sidecar(candidate.encoded, candidate.digest, facts)


def _file_name(finding: Finding) -> str:
    return kept_file_name(
        finding.leased.listing,
        format_name=finding.candidate.decoded.format,
        digest=finding.candidate.digest,
        time=finding.accept_time(time.time()),
    )
