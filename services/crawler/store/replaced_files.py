"""Removes the files of images that a better copy replaced, after the catalogue has let go of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

import structlog

from services.crawler.catalogue import replacements
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.replacements import ReplacedFiles
from services.crawler.keyed_lock import KeyedLock
from services.crawler.store.blob_store import BlobStore, StoreAway
from services.crawler.store.store_wait import StoreWait


class ReplacedFileRemoval:
    """What is to be removed, in the order in which it came. The rows are written: it is owed until it is done.

    Belongs to one event loop.
    """

    def __init__(
        self, database: Database, store: BlobStore, wait: StoreWait, files: KeyedLock
    ) -> None:
        """Takes what it works on; `files` is held, by digest, by whoever makes or removes an image's files."""
        self._database = database
        self._store = store
        self._wait = wait
        self._files = files
        self._owed: list[ReplacedFiles] = []

    def owe(self, files: Iterable[ReplacedFiles]) -> None:
        """Adds files that are to be removed."""
        self._owed += files

    async def remove(self) -> None:
        """Removes all that is owed. What fails stays owed: to the next call, or to the next start."""
        owed, self._owed = self._owed, []
        try:
            while owed:
                await self._remove(owed[0])
                owed = owed[1:]
        except StoreAway as away:
            self._wait.log(away)
        finally:
            self._owed += owed

    async def finish(self) -> None:
        """Removes what other processes left when they ended.

        Raises:
            StoreAway: The store does not take it now.
        """
        for files in await self._database.run(replacements.list_unremoved):
            await self._remove(files)

    async def _remove(self, files: ReplacedFiles) -> None:
        # Somebody may have done it, and the image may be kept again since.
        is_owed = partial(replacements.is_unremoved, digest=files.digest)
        # A name that is being made is removed, too; and what is being kept again keeps its files.
        async with self._files.hold(files.digest):
            if not await self._database.run(is_owed):
                return
            await asyncio.to_thread(self._store.remove, files.digest, (files.name,))
            await self._database.run(partial(replacements.record_removed, digest=files.digest))
        structlog.get_logger().info("image_replaced", digest=files.digest)
