"""Whether the files of kept images are still there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from functools import partial

import structlog

from services.crawler.catalogue import images
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.store.blob_store import BlobStore, ReadableName


class FileState(StrEnum):
    """What became of a kept image's file; the names are those of the contract."""

    PRESENT = "PRESENT"
    REMOVED = "REMOVED"
    LOST = "LOST"


async def file_states(
    database: Database, store: BlobStore, kept: Sequence[KeptImage]
) -> list[FileState | None]:
    """Looks at the files of kept images. Removing a readable name is a person's word, losing bytes is not.

    None is an image that was replaced or purged since it was read from the catalogue.

    Raises:
        StoreAway: They cannot be looked at.
    """
    looked = list(zip(kept, await asyncio.to_thread(_look, store, kept), strict=True))
    missing = {image.digest for image, state in looked if state is not FileState.PRESENT}
    # Whoever replaces or purges an image forgets its row first; its name goes before its bytes.
    still = await database.run(partial(images.find_names, digests=missing)) if missing else set()
    states = [
        state if state is FileState.PRESENT or (image.digest, _name(image)) in still else None
        for image, state in looked
    ]
    lost = sorted(
        {one.digest for one, state in zip(kept, states, strict=True) if state is FileState.LOST}
    )
    if lost:
        structlog.get_logger().warning("blobs_lost", count=len(lost), digests=lost[:10])
    return states


def _look(store: BlobStore, kept: Sequence[KeptImage]) -> list[FileState]:
    blobs = store.present(image.digest for image in kept)
    # A name that is still to be made was removed by nobody.
    names = store.present_names(_name(image) for image in kept if image.linked)
    return [_state(image, blobs, names) for image in kept]


def _state(image: KeptImage, blobs: set[str], names: set[ReadableName]) -> FileState:
    if image.digest not in blobs:
        return FileState.LOST
    is_named = not image.linked or _name(image) in names
    return FileState.PRESENT if is_named else FileState.REMOVED


def _name(image: KeptImage) -> ReadableName:
    return image.profile.name, image.file_name
