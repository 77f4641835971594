"""Mends what can be mended without losing anything; for a folder that no crawler has open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import NoResultFound

from services.crawler.catalogue import images, purges
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.schema import kept_images, purged_images
from services.crawler.store.folder_store import FolderStore
from services.crawler.verifying.counting import count_again
from services.crawler.verifying.data_folder import DataFolder
from services.crawler.verifying.known_sidecar import known_sidecar
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.regular_file import file_digest
from services.servicekit.disk import sync

_Mend = Callable[[Problem], Awaitable[str]]


class Repairs:
    """Repairs one problem after the other.

    It writes anew what the catalogue knows, and moves what nobody knows out of the way. It changes no byte of an image,
    and removes nothing but what was never finished and what was purged.
    """

    def __init__(self, database: Database, folder: DataFolder) -> None:
        """Takes the catalogue, whose lock keeps crawlers away, and the folder of both."""
        self._database = database
        self._folder = folder
        self._ways: dict[ProblemKind, _Mend] = {
            ProblemKind.COUNT_WRONG: self._count_again,
            ProblemKind.PURGE_UNFINISHED: self._finish_purge,
            ProblemKind.BLOB_MISSING: self._link_back,
            ProblemKind.SIDECAR_MISSING: self._write_sidecar,
            ProblemKind.SIDECAR_DAMAGED: self._write_sidecar,
            ProblemKind.SIDECAR_DIFFERS: self._write_sidecar,
            ProblemKind.NAME_MISSING: self._make_name,
            ProblemKind.ORPHAN: self._move_orphan,
            ProblemKind.PART_LEFT: self._drop_part,
        }

    @cached_property
    def _store(self) -> FolderStore:
        # Once opened it has dropped all parts: those that are told of go before.
        return FolderStore(self._folder.root)

    async def repair_all(self, problems: Sequence[Problem]) -> AsyncIterator[tuple[Problem, str]]:
        """Mends what can be mended; yields each problem that it mended, and what was done."""
        parts_first = sorted(problems, key=lambda one: one.kind is not ProblemKind.PART_LEFT)
        for problem in parts_first:
            if done := await self.repair(problem):
                yield problem, done

    async def repair(self, problem: Problem) -> str:
        """Mends a problem. Returns what was done; empty if a person has to see to it."""
        mend = self._ways.get(problem.kind)
        return "" if mend is None else await mend(problem)

    async def _count_again(self, problem: Problem) -> str:
        await self._database.run(partial(count_again, crawl_id=problem.crawl_id))
        return "counted again"

    async def _finish_purge(self, problem: Problem) -> str:
        for digest, names in await self._database.run(purges.list_pending):
            if digest == problem.digest:
                await asyncio.to_thread(self._store.remove, digest, names)
                await self._database.run(partial(purges.record_removed, digest=digest))
        return "its files are removed"

    async def _link_back(self, problem: Problem) -> str:
        names = await self._database.run(partial(_names, digest=problem.digest))
        return await asyncio.to_thread(self._bring_back, problem.digest, names)

    async def _write_sidecar(self, problem: Problem) -> str:
        try:
            facts = await self._database.run(partial(known_sidecar, digest=problem.digest))
        except (NoResultFound, ValueError):
            return ""
        return await asyncio.to_thread(self._replace_sidecar, problem.digest, facts)

    async def _make_name(self, problem: Problem) -> str:
        _, profile_name, file_name = problem.path.split("/")
        if not self._store.has(problem.digest):
            return ""
        await asyncio.to_thread(self._store.link, problem.digest, (profile_name, file_name))
        await self._database.run(
            partial(images.record_links, links=[(problem.digest, profile_name)])
        )
        return "made"

    async def _move_orphan(self, problem: Problem) -> str:
        path = self._folder.root / problem.path
        if not await self._database.run(partial(_is_purged, digest=problem.digest)):
            return f"moved to {await asyncio.to_thread(self._set_aside, path)}"
        await asyncio.to_thread(path.unlink)
        return "removed, as the image was purged"

    async def _drop_part(self, problem: Problem) -> str:
        path = self._folder.root / problem.path
        try:
            await asyncio.to_thread(path.unlink)
        except IsADirectoryError:
            return ""
        return "removed"

    def _bring_back(self, digest: str, names: list[tuple[str, str]]) -> str:
        """A readable name is the same file, or a copy: while there is one, the bytes are not lost."""
        path = self._folder.blob(digest)
        for name in names:
            source = self._folder.name(*name)
            if not _holds(source, digest):
                continue
            try:
                path.parent.mkdir(exist_ok=True)
                os.link(source, path)
                sync(path.parent)
            except OSError:
                self._store.put(source.read_bytes(), digest=digest)
            return f"brought back from {self._folder.shown(source)}"
        return ""

    def _replace_sidecar(self, digest: str, facts: dict[str, Any]) -> str:
        path = self._folder.sidecar(digest)
        old = f"; the old one is {self._set_aside(path)}" if os.path.lexists(path) else ""
        self._store.put_sidecar(digest, facts)
        return f"written anew from the catalogue{old}"

    def _set_aside(self, path: Path) -> str:
        self._folder.set_aside.mkdir(exist_ok=True)
        names = (path.name if number == 1 else f"{path.name}.{number}" for number in count(1))
        free = (self._folder.set_aside / name for name in names)
        target = next(place for place in free if not os.path.lexists(place))
        path.rename(target)
        sync(self._folder.set_aside)
        sync(path.parent)
        return self._folder.shown(target)


def _names(connection: Connection, digest: str) -> list[tuple[str, str]]:
    query = select(kept_images.c.profile_name, kept_images.c.file_name)
    rows = connection.execute(query.where(kept_images.c.digest == digest))
    return [(row.profile_name, row.file_name) for row in rows]


def _is_purged(connection: Connection, digest: str) -> bool:
    query = select(purged_images.c.digest).where(purged_images.c.digest == digest)
    return connection.execute(query).one_or_none() is not None


def _holds(path: Path, digest: str) -> bool:
    try:
        return file_digest(path)[0] == digest
    except OSError:
        return False
