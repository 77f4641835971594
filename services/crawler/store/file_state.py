"""Whether the files of kept images are still there."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import structlog

from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.store.blob_store import BlobStore, ReadableName


class FileState(StrEnum):
    """What became of a kept image's file; the names are those of the contract."""

    PRESENT = "PRESENT"
    REMOVED = "REMOVED"
    LOST = "LOST"


def file_states(store: BlobStore, kept: Sequence[KeptImage]) -> list[FileState]:
    """Looks at the files of kept images; blocks. Removing a readable name is a person's word, losing bytes is not.

    Raises:
        StoreAway: They cannot be looked at.
    """
    blobs = store.present(image.digest for image in kept)
    # A name that is still to be made was removed by nobody.
    names = store.present_names(_name(image) for image in kept if image.linked)
    lost = [image.digest for image in kept if image.digest not in blobs]
    if lost:
        structlog.get_logger().warning("blobs_lost", count=len(lost), digests=lost[:10])
    return [_state(image, blobs, names) for image in kept]


def _state(image: KeptImage, blobs: set[str], names: set[ReadableName]) -> FileState:
    if image.digest not in blobs:
        return FileState.LOST
    is_named = not image.linked or _name(image) in names
    return FileState.PRESENT if is_named else FileState.REMOVED


def _name(image: KeptImage) -> ReadableName:
    return image.profile.name, image.file_name
