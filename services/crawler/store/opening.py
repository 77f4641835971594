"""Opens the store that the settings name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.store.blob_store import BlobStore
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.s3_address import S3Access, S3Address
from services.crawler.store.s3_store import S3Store
from services.servicekit.errors import Misconfigured


class Present(Protocol):
    """What can be asked for the bytes of images."""

    def present(self, digests: Iterable[str]) -> set[str]:
        """Those of many digests whose bytes are there."""
        ...


def open_store(store: str, data: Path, access: S3Access, *, alone: bool = True) -> BlobStore:
    """Opens the store; blocks.

    Args:
        store: `s3://bucket/prefix`; empty is the data folder.
        data: That folder.
        access: How S3 is reached.
        alone: Whether no other crawler writes to it.

    Raises:
        Misconfigured: It cannot be used.
    """
    if store:
        return S3Store(S3Address.parse(store), access)
    return FolderStore(data, alone=alone)


def require_images(store: Present, kept: list[KeptImage]) -> None:
    """Passes a store that has any of the newest kept images, if there are some; blocks.

    Otherwise a bucket that was chosen for a catalogue with images would make every one of them a lost one.

    Raises:
        Misconfigured: It has none of them.
        StoreAway: It cannot be asked now.
    """
    if not kept or store.present(image.digest for image in kept):
        return
    message = (
        f"the store has none of the newest {len(kept)} kept images: it is another one than they were put into; "
        "copy `blobs` and `kept` there first (docs/store.md)"
    )
    raise Misconfigured(message)
