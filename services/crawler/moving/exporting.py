"""Reads images of the store with all that is known of them, whatever else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from services.crawler.catalogue import image_records
from services.crawler.catalogue.accept_order import share_accept_lock
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.image_records import ExportChoice, Reach, RecordPage
from services.crawler.image_record import ImageRecord, RecordedKeep
from services.crawler.store.blob_store import BlobDamaged, BlobStore, BlobTooLarge, ReadableName

# Records, with their embeddings, that are in memory at a time.
_PAGE = 64
# A message has room for 64 MiB: the rest is for the facts beside the bytes.
_MAX_ENCODED_BYTES = 63 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """An image that is exported.

    Attributes:
        record: What is known of it.
        encoded: Its bytes; empty if they are not wanted, or missing.
        missing: Why they are wanted and not there, one sentence; empty if all is well.
    """

    record: ImageRecord
    encoded: bytes = b""
    missing: str = ""


class Exporting:
    """Reads the catalogue in short transactions and the store image by image: a crawl goes on beside it."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store

    async def reach(self, choice: ExportChoice) -> Reach:
        """How far an export goes that begins now, or as far as `choice.reach` says.

        Raises:
            OtherCatalogue: An earlier export, or that reach, is one of another catalogue.
        """
        return await self._database.run(partial(_reach, choice=choice))

    async def places(self, digests: Sequence[str]) -> tuple[int, ...]:
        """The places in the order of accepting of those of these images that are in the store, ascending."""
        if not digests:
            return ()
        return await self._database.run(partial(image_records.find_sequences, digests=digests))

    async def images(
        self, choice: ExportChoice, *, after: int, with_encoded: bool
    ) -> AsyncIterator[ExportedImage]:
        """Yields the chosen images behind a sequence, in the order of accepting.

        Raises:
            StoreAway: The store cannot be read for now.
        """
        while after < choice.reach.sequence:
            page = await self._page(choice, after)
            for record in page.records:
                image = await self._read(record) if with_encoded else ExportedImage(record)
                if image is not None:
                    yield image
            after = page.reached

    async def _page(self, choice: ExportChoice, after: int) -> RecordPage:
        read = partial(image_records.read_records, choice=choice, after=after, limit=_PAGE)
        page = await self._database.run(read)
        names = {_name(keep) for record in page.records for keep in record.keeps if keep.is_named}
        present = await asyncio.to_thread(self._store.present_names, names)
        records = (_with_removed(record, names - present) for record in page.records)
        return replace(page, records=tuple(records))

    async def _read(self, record: ImageRecord) -> ExportedImage | None:
        """None if it was purged meanwhile."""
        read = partial(self._store.read, record.digest, max_bytes=_MAX_ENCODED_BYTES)
        try:
            encoded = await asyncio.to_thread(read)
        except BlobDamaged as error:
            return ExportedImage(record, missing=f"its stored bytes are damaged: {error.damage}")
        except BlobTooLarge as error:
            return ExportedImage(record, missing=str(error))
        if encoded:
            return ExportedImage(record, encoded)
        if await self._database.run(partial(image_records.is_stored, digest=record.digest)):
            return ExportedImage(record, missing="its stored bytes are gone")
        return None


def _reach(connection: Connection, choice: ExportChoice) -> Reach:
    for earlier in (choice.earlier, choice.reach):
        image_records.require_own(connection, earlier)
    if choice.reach.time:
        return choice.reach
    # What is accepted just now would be neither in this export nor behind its horizon.
    share_accept_lock(connection)
    return image_records.read_reach(connection, now=catalogue_time(connection))


def _with_removed(record: ImageRecord, removed: set[ReadableName]) -> ImageRecord:
    keeps = (replace(keep, is_removed=_name(keep) in removed) for keep in record.keeps)
    return replace(record, keeps=tuple(keeps))


def _name(keep: RecordedKeep) -> ReadableName:
    return keep.profile.name, keep.file_name
