"""Keeps what was seen in memory, most of it by way of a file; the catalogue alone is the truth."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from services.crawler.candidate import Fingerprint
from services.crawler.catalogue import images, purges, replacements
from services.crawler.catalogue.accept_order import read_horizon, read_news
from services.crawler.catalogue.database import Database
from services.crawler.seen.duplicate_index import DuplicateIndex, Entry
from services.crawler.seen.fingerprint_file import (
    FingerprintFile,
    FingerprintFileDamaged,
    FingerprintFileTaken,
)
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.errors import LodestoneError

# Images that are read in one transaction.
_PAGE = 4_096
# Crawlers that may share a data folder.
_FILES = 64
# The last images of the file that are looked for in the catalogue.
_CHECKED = 1_024


@dataclass(frozen=True, slots=True)
class ArchiveTerms:
    """When kept images go from memory into the file.

    Attributes:
        batch: So many at a time; fewer stay in memory.
        look_s: How often to look whether there are so many, seconds.
        follow_s: How often to look what other crawlers added, seconds.
    """

    batch: int = 65_536
    look_s: float = 60.0
    follow_s: float = 2.0


class SeenKeeping:
    """The file of fingerprints beside the catalogue, and what is in memory of it.

    It has the images of the store in the order of accepting, up to one of them. At the start those after it are read
    from the catalogue, and the whole of them if the file is not one of this catalogue: damaged, or from after a backup
    that was restored. It may be deleted while no crawler runs.
    """

    def __init__(
        self, database: Database, folder: Path, terms: ArchiveTerms = ArchiveTerms()
    ) -> None:
        """Opens `seen.rows` in that folder; `seen-2.rows` and so on where several crawlers share it.

        Raises:
            Misconfigured: Another process has it open, or it cannot be opened.
        """
        self._database = database
        self._terms = terms
        self._file = _open_file(folder, _FILES if database.is_shared else 1)
        self._archive = DuplicateIndex(self._file)
        self._seen = SeenImages(self._archive)
        self._log = structlog.get_logger()
        self._closing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def load(self) -> SeenImages:
        """Reads all that was seen; what is kept from now on is to be added to it. Begins to look after the file."""
        started_s = time.monotonic()
        await self._open_archive()
        # All that is behind it is in memory in the end, whoever adds to it meanwhile.
        horizon = await self._database.run(read_horizon)
        for digest, fingerprint in await self._archive_new():
            self._seen.add_kept(digest, fingerprint)
        # Work that a database may run again changes nothing else: it is read first.
        for digest, fingerprint in await self._database.run(_read_purged):
            self._seen.add_purged(digest, fingerprint)
        for digest, fingerprint, by in await self._database.run(_read_replaced):
            self._seen.add_replaced(digest, fingerprint, by)
        for name, digest, fingerprint in await self._database.run(_read_marked):
            self._seen.mark(name, digest, fingerprint)
        self._seen.horizon = horizon
        self._log.info(
            "seen_loaded",
            archived=len(self._archive),
            recent=self._seen.recent_count,
            seconds=round(time.monotonic() - started_s, 1),
        )
        self._tasks = [asyncio.create_task(self._keep())]
        if self._database.is_shared:
            self._tasks.append(asyncio.create_task(self._follow()))
        return self._seen

    async def close(self) -> None:
        """Ends what is under way, and closes the file."""
        self._closing.set()
        await asyncio.gather(*self._tasks)
        self._file.close()

    async def _open_archive(self) -> None:
        try:
            hashes = await asyncio.to_thread(self._file.load)
            await self._database.run(self._last_archived)
        except FingerprintFileDamaged as damage:
            self._log.warning("seen_file_made_again", cause=str(damage))
            await asyncio.to_thread(self._file.clear)
            hashes = None
        self._archive = await asyncio.to_thread(DuplicateIndex, self._file, hashes)
        self._seen = SeenImages(self._archive)

    async def _keep(self) -> None:
        due = self._terms.batch
        while not await self._is_closing(self._terms.look_s):
            if self._seen.recent_count < due:
                continue
            try:
                rest = await self._archive_new()
            except (OSError, LodestoneError, SQLAlchemyError) as error:
                self._log.warning("seen_file_not_written", cause=str(error).splitlines()[0])
            else:
                # Purged and replaced images stay in memory: the catalogue lists them as kept no more.
                new_count = sum(not fingerprint.flat for _, fingerprint in rest)
                due = self._terms.batch + self._seen.recent_count - new_count

    async def _follow(self) -> None:
        """Remembers what other crawlers kept, purged and marked, so that most copies are found before they accept."""
        while not await self._is_closing(self._terms.follow_s):
            read = partial(read_news, horizon=self._seen.horizon)
            try:
                news = await self._database.run(read)
            except (LodestoneError, SQLAlchemyError) as error:
                self._log.warning("news_not_read", cause=str(error).splitlines()[0])
            else:
                self._seen.learn(news)

    async def _is_closing(self, wait_s: float) -> bool:
        """Waits until it is time to look again, or it is to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._closing.wait()
        return self._closing.is_set()

    async def _archive_new(self) -> list[Entry]:
        """Archives what the store got since, a batch at a time. Returns the images behind the last whole batch."""
        after = await self._database.run(self._last_archived)
        entries: list[Entry] = []
        limit = min(_PAGE, self._terms.batch)
        while True:
            page = await self._database.run(
                partial(images.list_kept_fingerprints, after_sequence=after, limit=limit)
            )
            entries += [(digest, fingerprint) for _, digest, fingerprint in page]
            if len(page) < limit:
                break
            after = page[-1][0]
            if len(entries) >= self._terms.batch:
                await asyncio.to_thread(self._archive.extend, entries)
                self._seen.let_go({digest for digest, _ in entries})
                entries = []
        await asyncio.to_thread(self._archive.settle)
        return entries

    def _last_archived(self, connection: Connection) -> int:
        """The sequence of the newest archived image that is still kept; 0 if none is.

        Raises:
            FingerprintFileDamaged: One of those from there on was never kept here: it is of another catalogue.
        """
        for digests in self._file.digests_from_behind(_CHECKED):
            kept = images.find_sequences(connection, digests)
            others = set(digests) - set(kept)
            others -= purges.find_purged(connection, others)
            if others - replacements.find_replaced(connection, others):
                cause = "it has images that the catalogue does not have"
                raise FingerprintFileDamaged(self._file.path, cause)
            places = [place for place in kept.values() if place is not None]
            if places:
                return max(places)
        return 0


def _open_file(folder: Path, count: int) -> FingerprintFile:
    """The first of so many files that no other process has open."""
    for number in range(1, count):
        with contextlib.suppress(FingerprintFileTaken):
            return FingerprintFile(folder / (f"seen-{number}" if number > 1 else "seen"))
    return FingerprintFile(folder / (f"seen-{count}" if count > 1 else "seen"))


def _read_purged(connection: Connection) -> list[Entry]:
    return list(purges.iterate_purged(connection))


def _read_replaced(connection: Connection) -> list[tuple[str, Fingerprint, str]]:
    return list(replacements.iterate_replaced(connection))


def _read_marked(connection: Connection) -> list[tuple[str, str, Fingerprint]]:
    return list(images.iterate_seen_fingerprints(connection))
