"""Mends what can be mended without losing anything; for a catalogue and a store that no crawler has open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cached_property, partial
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import NoResultFound

from services.crawler.catalogue import images, purges, replacements
from services.crawler.catalogue.schema import kept_images
from services.crawler.store.blob_store import BlobStore
from services.crawler.verifying.counting import count_again
from services.crawler.verifying.known_sidecar import known_sidecar
from services.crawler.verifying.locked_server import LockedCatalogue
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.stored_files import MendableFiles, name_path, sidecar_path

_Mend = Callable[[Problem], Awaitable[str]]


class Repairs:
    """Repairs one problem after the other.

    It writes anew what the catalogue knows, and moves what nobody knows out of the way. It changes no byte of an image,
    and removes nothing but what was never finished, and what was purged or replaced.
    """

    def __init__(
        self,
        database: LockedCatalogue,
        files: MendableFiles,
        open_store: Callable[[], BlobStore],
    ) -> None:
        """Takes the catalogue, whose lock keeps crawlers away, the store's files, and what opens it for writing."""
        self._database = database
        self._files = files
        self._open_store = open_store
        self._ways: dict[ProblemKind, _Mend] = {
            ProblemKind.COUNT_WRONG: self._count_again,
            ProblemKind.PURGE_UNFINISHED: self._finish_purge,
            ProblemKind.REPLACEMENT_UNFINISHED: self._finish_replacement,
            ProblemKind.BLOB_MISSING: self._bring_back,
            ProblemKind.SIDECAR_MISSING: self._write_sidecar,
            ProblemKind.SIDECAR_DAMAGED: self._write_sidecar,
            ProblemKind.SIDECAR_DIFFERS: self._write_sidecar,
            ProblemKind.NAME_MISSING: self._make_name,
            ProblemKind.ORPHAN: self._move_orphan,
            ProblemKind.PART_LEFT: self._drop_part,
        }

    @cached_property
    def _store(self) -> BlobStore:
        # A folder's drops all parts when it is opened: those that are told of go before.
        return self._open_store()

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

    async def _finish_replacement(self, problem: Problem) -> str:
        find = partial(replacements.get_files, digest=problem.digest)
        files = await self._database.run(find)
        await asyncio.to_thread(self._store.remove, files.digest, (files.name,))
        await self._database.run(partial(_record_removed, digest=files.digest))
        return "its files are removed"

    async def _bring_back(self, problem: Problem) -> str:
        """A readable name is the same file, or a copy: while there is one, the bytes are not lost."""
        names = await self._database.run(partial(_names, digest=problem.digest))
        for path in names:
            if await asyncio.to_thread(self._holds, path, problem.digest):
                await asyncio.to_thread(self._files.bring_back, path, problem.digest)
                return f"brought back from {path}"
        return ""

    async def _write_sidecar(self, problem: Problem) -> str:
        try:
            facts = await self._database.run(partial(known_sidecar, digest=problem.digest))
        except (NoResultFound, ValueError):
            return ""
        return await asyncio.to_thread(self._replace_sidecar, problem.digest, facts)

    async def _make_name(self, problem: Problem) -> str:
        _, profile_name, file_name = problem.path.split("/")
        name = (profile_name, file_name)
        if not await asyncio.to_thread(self._store.link, problem.digest, name):
            return ""
        await self._database.run(partial(images.record_links, links=[(problem.digest, name)]))
        return "made"

    async def _move_orphan(self, problem: Problem) -> str:
        fate = await self._database.run(partial(_fate, digest=problem.digest))
        if not fate:
            return f"moved to {await asyncio.to_thread(self._files.set_aside, problem.path)}"
        await asyncio.to_thread(self._files.remove, problem.path)
        return f"removed, as the image was {fate}"

    async def _drop_part(self, problem: Problem) -> str:
        await asyncio.to_thread(self._files.remove, problem.path)
        return "removed"

    def _holds(self, path: str, digest: str) -> bool:
        try:
            return self._files.digest(path)[0] == digest
        except OSError:
            return False

    def _replace_sidecar(self, digest: str, facts: dict[str, Any]) -> str:
        path, old = sidecar_path(digest), ""
        if self._files.exists(path):
            old = f"; the old one is {self._files.set_aside(path)}"
        self._store.put_sidecar(digest, facts)
        return f"written anew from the catalogue{old}"


def _record_removed(connection: Connection, digest: str) -> None:
    # Whoever had begun to remove them died: nobody else has the catalogue.
    replacements.free_removals(connection)
    replacements.record_removed(connection, digest, expire_time=None)


def _names(connection: Connection, digest: str) -> list[str]:
    query = select(kept_images.c.profile_name, kept_images.c.file_name)
    rows = connection.execute(query.where(kept_images.c.digest == digest))
    return [name_path(row.profile_name, row.file_name) for row in rows]


def _fate(connection: Connection, digest: str) -> str:
    """Why an image is not in the store; empty if it was never there."""
    if purges.find_purged(connection, [digest]):
        return "purged"
    return "replaced" if replacements.find_replaced(connection, [digest]) else ""
