"""What is needed to make and remove the files of images after their rows are written."""

from __future__ import annotations

from dataclasses import dataclass

from services.crawler.catalogue.database import Database
from services.crawler.keyed_lock import KeyedLock
from services.crawler.store.blob_store import BlobStore
from services.crawler.store.store_wait import StoreWait


@dataclass(frozen=True)
class FileWork:
    """What all that work on one store's files share; belongs to one event loop.

    Attributes:
        database: The catalogue that says which files there are to be.
        store: Where they are.
        wait: Tells that the store is away.
        turns: Held, by digest, by whoever makes or removes an image's files.
    """

    database: Database
    store: BlobStore
    wait: StoreWait
    turns: KeyedLock
