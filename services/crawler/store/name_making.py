"""Gives kept images their readable names, after the rows that say so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
        # To be removed.
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

    @contextmanager
    def taking_made(self) -> Iterator[list[NameOf]]:
        """Gives the names that no row tells of yet to what writes that; if it fails, the next one gets them too."""
        made, self._made = self._made, []
        try:
            yield made
        except BaseException:
            self._made = made + self._made
            raise

    async def record(self) -> None:
        """Writes which names were made."""
        if not self._made:
            return
        with self.taking_made() as made:
            void = await self._work.database.run(partial(_record, links=made))
        self.void(void)
        await self.withdraw()

    def void(self, names: Iterable[NameOf]) -> None:
        """Adds names of images that are not kept any more: they are to be removed."""
        self._void += names

    async def withdraw(self) -> None:
        """Removes all of those; what the store refuses is removed with the next ones."""
        void, self._void = self._void, []
        try:
            while void:
                digest, name = void[-1]
                async with self._work.turns.hold(digest):
                    await self._withdraw(digest, name)
                void.pop()
        except StoreAway as away:
            self._work.wait.log(away)
        finally:
            self._void += void

    async def _withdraw(self, digest: str, name: tuple[str, str]) -> None:
        """Unless the image is kept again meanwhile, under the same name."""
        if not await self._work.database.run(partial(images.is_named, digest=digest, name=name)):
            await asyncio.to_thread(self._work.store.remove_name, name)

    async def _look_for(self, digest: str, name: tuple[str, str]) -> None:
        """Says that an image's bytes are lost, unless nobody keeps it any more."""
        if await self._work.database.run(partial(images.is_named, digest=digest, name=name)):
            structlog.get_logger().warning("blobs_lost", count=1, digests=[digest])


def _record(connection: Connection, links: list[NameOf]) -> list[NameOf]:
    # A replacement deletes such rows under the lock of accepts: neither waits for the other within.
    share_accept_lock(connection)
    return images.record_links(connection, links)
