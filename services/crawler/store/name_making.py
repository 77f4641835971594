"""Gives kept images their readable names, after the rows that say so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

import structlog
from sqlalchemy import Connection

from services.crawler.catalogue import images
from services.crawler.catalogue.accept_order import share_accept_lock
from services.crawler.catalogue.images import NameOf
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.file_work import FileWork


class NameMaking:
    """Names that are to be made. The rows are written: what the store refuses is owed until later.

    An image may be replaced or purged, by whatever crawler, while its name is made. Whoever does that deletes the row
    first and the files then. So a name is removed again if its row is gone when it is to be written that it was made.

    Belongs to one event loop.
    """

    def __init__(self, work: FileWork) -> None:
        self._work = work
        self._owed: list[NameOf] = []
        self._made: list[NameOf] = []
        self._void: list[NameOf] = []

    def owe(self, names: Iterable[NameOf]) -> None:
        """Adds names that are to be made."""
        self._owed += names

    async def make(self) -> None:
        """Makes all that are owed."""
        owed, self._owed = self._owed, []
        while owed:
            digest, name = owed[-1]
            try:
                async with self._work.turns.hold(digest):
                    is_made = await asyncio.to_thread(self._work.store.link, digest, name)
            except StoreAway as away:
                self._work.wait.log(away)
                self._owed += owed
                return
            owed.pop()
            if is_made:
                self._made.append((digest, name))
            else:
                await self._look_for(digest, name)

    def take_made(self) -> list[NameOf]:
        """Names that no row tells of yet; should the row fail, the next start makes them again."""
        made, self._made = self._made, []
        return made

    async def record(self) -> None:
        """Writes which names were made."""
        made = self.take_made()
        if made:
            await self.withdraw(await self._work.database.run(partial(_record, links=made)))

    async def withdraw(self, names: Iterable[NameOf]) -> None:
        """Removes names of images that are not kept any more; what the store refuses is removed with the next ones."""
        self._void += names
        void, self._void = self._void, []
        while void:
            try:
                await asyncio.to_thread(self._work.store.remove_name, void[-1][1])
            except StoreAway as away:
                self._work.wait.log(away)
                self._void += void
                return
            void.pop()

    async def _look_for(self, digest: str, name: tuple[str, str]) -> None:
        """Says that an image's bytes are lost, unless nobody keeps it any more."""
        if await self._work.database.run(partial(images.is_named, digest=digest, name=name)):
            structlog.get_logger().warning("blobs_lost", count=1, digests=[digest])


def _record(connection: Connection, links: list[NameOf]) -> list[NameOf]:
    # A replacement deletes such rows under the lock of accepts: neither waits for the other within.
    share_accept_lock(connection)
    return images.record_links(connection, links)
