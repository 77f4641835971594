"""Whether the files of kept images are still there."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import structlog

from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.store.blob_store import BlobStore


class FileState(StrEnum):
    """What became of a kept image's file; the names are those of the contract."""

    PRESENT = "PRESENT"
    REMOVED = "REMOVED"
    LOST = "LOST"


def file_states(store: BlobStore, kept: Sequence[KeptImage]) -> list[FileState]:
    """Looks at the files of kept images; blocks. Removing a readable name is a person's word, losing bytes is not."""
    states = [_state(store, image) for image in kept]
    lost = [image.digest for image, state in zip(kept, states, strict=True) if state == "LOST"]
    if lost:
        structlog.get_logger().warning("blobs_lost", count=len(lost), digests=lost[:10])
    return states


def _state(store: BlobStore, image: KeptImage) -> FileState:
    if not store.has(image.digest):
        return FileState.LOST
    # A name that is still to be made was removed by nobody.
    is_named = not image.linked or store.has_name(image.profile.name, image.file_name)
    return FileState.PRESENT if is_named else FileState.REMOVED
