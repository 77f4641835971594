"""Removes the files of images that a better copy replaced, after the catalogue has let go of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog
from sqlalchemy import Connection

from services.crawler.catalogue import replacements
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.replacements import ReplacedFiles
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.file_work import FileWork

# Longer than a store takes at worst: three requests, each sent again while that is worth it.
_ALONE_S = 180.0
# Whoever stopped for so long since he took it upon himself removes nothing any more: the rest is for doing it.
_BEGINS_WITHIN_S = 60.0
# How often to look whether somebody else is done.
_LOOK_S = 0.1


class ReplacedFileRemoval:
    """What is to be removed, in the order in which it came. The rows are written: it is owed until it is done.

    Belongs to one event loop.
    """

    def __init__(self, work: FileWork) -> None:
        self._work = work
        self._owed: list[ReplacedFiles] = []

    def owe(self, files: Iterable[ReplacedFiles]) -> None:
        """Adds files that are to be removed."""
        self._owed += files

    async def remove(self) -> None:
        """Removes all that is owed. What fails stays owed: to the next call, or to the next start."""
        owed, self._owed = self._owed, []
        try:
            while owed:
                if not await self._remove(owed[0]) and await self._find(owed[0].digest):
                    # Whoever has begun may have died since.
                    self._owed.append(owed[0])
                owed = owed[1:]
        except StoreAway as away:
            self._work.wait.log(away)
        finally:
            self._owed += owed

    async def finish(self) -> None:
        """Removes what other processes left when they ended; what one is just removing is looked at again later.

        Raises:
            StoreAway: The store does not take it now.
        """
        if self._work.database.was_alone:
            await self._work.database.run(replacements.free_removals)
        for files in await self._work.database.run(replacements.list_unremoved):
            if not await self._remove(files):
                self._owed.append(files)

    async def finish_one(self, digest: str) -> None:
        """Returns once the files are gone that an image had when it was replaced, whoever removes them.

        Raises:
            StoreAway: The store does not take it now.
        """
        while (files := await self._find(digest)) is not None:
            if not await self._remove(files):
                await asyncio.sleep(_LOOK_S)

    async def _find(self, digest: str) -> ReplacedFiles | None:
        """What is still to be removed of an image."""
        return await self._work.database.run(partial(replacements.find_unremoved, digest=digest))

    async def _remove(self, files: ReplacedFiles) -> bool:
        """False if somebody else removes them, or did, or may by now; the image may be kept again since."""
        # A name that is being made is removed, too; and what is being kept again keeps its files.
        async with self._work.turns.hold(files.digest):
            lease = await self._work.database.run(partial(_begin, digest=files.digest))
            if lease is None:
                return False
            try:
                is_removed = await asyncio.to_thread(self._remove_within, lease, files)
            except StoreAway:
                await self._end(lease, replacements.give_removal_up, files.digest)
                raise
            end = replacements.record_removed if is_removed else replacements.give_removal_up
            if not await self._end(lease, end, files.digest) or not is_removed:
                return False
        structlog.get_logger().info("image_replaced", digest=files.digest)
        return True

    def _remove_within(self, lease: _Lease, files: ReplacedFiles) -> bool:
        """Removes them; False if this process stopped for so long that they may soon be somebody else's."""
        if not lease.may_begin:
            return False
        self._work.store.remove(files.digest, (files.name,))
        return True

    async def _end(self, lease: _Lease, end: Callable[..., bool], digest: str) -> bool:
        """Writes how a removal ended; False if somebody else has begun by then: then that is his to say.

        The catalogue may be away for long, so only the row can tell.
        """
        return await self._work.database.run(
            partial(end, digest=digest, expire_time=lease.expire_time)
        )


class _Lease:
    """A removal that is this crawler's alone, timed by a clock that goes on while the process is stopped.

    That clock begins before the time that is in the row.

    Attributes:
        expire_time: Until when it is, by the catalogue's clock. While the row has it, nobody else has begun.
    """

    def __init__(self, began_s: float, expire_time: float) -> None:
        self._began_s = began_s
        self.expire_time = expire_time

    @property
    def may_begin(self) -> bool:
        """Whether there is time enough left to remove."""
        return time.monotonic() - self._began_s < _BEGINS_WITHIN_S


def _begin(connection: Connection, digest: str) -> _Lease | None:
    began_s, now = time.monotonic(), catalogue_time(connection)
    until = replacements.begin_removal(connection, digest, now=now, duration_s=_ALONE_S)
    return None if until is None else _Lease(began_s, until)
