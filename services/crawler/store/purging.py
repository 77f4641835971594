"""Purges kept images: what a rights-holder asks for, or a host has deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import structlog

from services.crawler.catalogue import purges
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.purges import PurgeCandidate
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.host_paces import HostResting
from services.crawler.keyed_lock import KeyedLock
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.blob_store import BlobStore
from services.servicekit.errors import InvalidInput

# What says that whoever shows the image does not want it shown any more.
_GONE = frozenset({OutcomeReason.NOT_FOUND, OutcomeReason.OPTED_OUT, OutcomeReason.PLACEHOLDER})


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """What to purge, and why.

    Attributes:
        selection: The images.
        gone: Only those that their hosts have deleted or opted out of.
        dry_run: Remove nothing.
        reason: For the record; may be empty.
    """

    selection: PurgeSelection
    gone: bool = False
    dry_run: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PurgeLocks:
    """What a purge waits for, by digest.

    Attributes:
        digests: Held while an image is judged, so that none is purged meanwhile.
        files: Held by whoever makes or removes an image's files.
    """

    digests: KeyedLock
    files: KeyedLock


class Purging:
    """Removes images for good. The catalogue forgets first and knows which files are still to be removed."""

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        seen: SeenImages,
        fetcher: Fetcher,
        locks: PurgeLocks,
    ) -> None:
        """Takes what it works on, what asks hosts again, and what it shares with those who judge and keep."""
        self._database = database
        self._store = store
        self._seen = seen
        self._fetcher = fetcher
        self._locks = locks
        self._log = structlog.get_logger()

    async def purge(self, request: PurgeRequest) -> AsyncIterator[tuple[PurgeCandidate, str]]:
        """Purges what is selected, one after the other; yields each image and why.

        First comes what was purged before and has files left: a store was away then, or a process ended.

        Raises:
            InvalidInput: The selection names nothing, and `gone` is not set.
            AmbiguousDigest: Several images' digests begin as one that is named.
            NotFound: None does.
            ContactMissing: A host would have to be asked, and no contact is configured.
        """
        if request.selection.is_empty and not request.gone:
            raise InvalidInput(
                "name digests, a URL, a source, a host or an author, or ask for what is gone"
            )
        if not request.gone:
            async for image, reason in self._finish(request):
                yield image, reason
        found = await self._database.run(partial(purges.select_images, selection=request.selection))
        for image in found:
            reason = request.reason or "purged by hand"
            if request.gone:
                gone = await self._why_gone(image)
                if not gone:
                    continue
                reason = f"{request.reason}: {gone}" if request.reason else gone
            # A better copy from elsewhere takes its place meanwhile: that one is not gone.
            if request.dry_run or await self._remove(image, reason, follow=not request.gone):
                yield image, reason

    async def finish(self) -> None:
        """Removes the files that a purge left when its process ended."""
        for digest, names in await self._database.run(purges.list_pending):
            await self._remove_files(digest, names)

    async def _finish(self, request: PurgeRequest) -> AsyncIterator[tuple[PurgeCandidate, str]]:
        select = partial(purges.select_pending, selection=request.selection)
        for image, reason in await self._database.run(select):
            if not request.dry_run:
                await self._remove_files(image.digest, image.names)
            yield image, reason

    async def _remove(self, image: PurgeCandidate, reason: str, *, follow: bool) -> bool:
        """Purges an image with all its versions; False if nothing is left to purge."""
        purge = partial(purges.purge, image=image, reason=reason, now=time.time(), follow=follow)
        async with self._locks.digests.hold(image.digest):
            files = await self._database.run(purge)
            for digest, names in files:
                self._seen.forbid(digest)
                await self._remove_files(digest, names)
                self._log.info("image_purged", digest=digest, reason=reason)
        return bool(files)

    async def _remove_files(self, digest: str, names: tuple[tuple[str, str], ...]) -> None:
        # A name that is being made is removed, too.
        async with self._locks.files.hold(digest):
            await asyncio.to_thread(self._store.remove, digest, names)
            await self._database.run(partial(purges.record_removed, digest=digest))

    async def _why_gone(self, image: PurgeCandidate) -> str:
        """Asks the host again; empty if the image is still there, or it cannot be told."""
        if not image.listing.url.startswith(("http:", "https:")):
            return ""
        while True:
            try:
                await self._fetcher.ask_again(image.listing.url)
            except HostResting as resting:
                await asyncio.sleep(resting.wait_s)
            except FetchFailed as failure:
                return str(failure) if failure.reason in _GONE else ""
            else:
                return ""
