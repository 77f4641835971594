"""Named points of the crawler at which it can be made to die or to stop, without a word of it in the crawler itself."""

from __future__ import annotations

import functools
import inspect
import os
import signal
import threading
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from services.crawler.catalogue import crawl_sources, frontier, replacements, shared_hosts
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.store import recorder, recording
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.purging import Purging
from services.crawler.store.s3_bucket import S3Bucket
from services.crawler.store.s3_store import S3Store


class Point(Enum):
    """Where; the value says what is done by then, and what is not."""

    LISTED = "listings and cursor are written and not committed"
    LEASED = "leases are written and not committed"
    FETCHED = "the bytes came, and nothing is written"
    SYNCED = "a file is on the disk under another name, or a folder is"
    PLACED = "the bytes are under their name, and their folder is not synced"
    BETWEEN = "the bytes are stored, the sidecar is not"
    STORED = "bytes and sidecar are stored, and no row says so"
    WRITTEN = "the rows are written and not committed"
    COMMITTED = "the rows are committed, and nobody was told"
    NAMED = "the readable name is made, and no row says so"
    PURGE_COMMITTED = "the catalogue has forgotten an image whose files are all there"
    PURGE_HALF = "some files of a purged image are gone"
    PURGE_REMOVED = "all files of a purged image are gone, and no row says so"
    REPLACED = "the better copy is written and the other let go of, and nothing is committed"
    REPLACEMENT_COMMITTED = "a better copy is kept, and the files of the other are all there"
    REPLACEMENT_HALF = "some files of a replaced image are gone"
    REPLACEMENT_REMOVED = "all files of a replaced image are gone, and no row says so"


@dataclass(frozen=True)
class Trap:
    """What sends the crawler a signal.

    Attributes:
        point: The name of a Point.
        passes: At which pass of it, from 1 on.
        number: The signal.
        delay_s: So many seconds later, whatever it does by then.
    """

    point: str
    passes: int = 1
    number: int = signal.SIGKILL
    delay_s: float = 0.0


def set_trap(trap):
    """Sets it in this process."""
    passed = _Passes(trap).count
    for hook in _HOOKS[Point[trap.point]]:
        hook(passed)


class _Passes:
    def __init__(self, trap):
        self._trap = trap
        self._left = trap.passes
        self._lock = threading.Lock()

    def count(self):
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if self._trap.delay_s:
            threading.Timer(self._trap.delay_s, self._spring).start()
        else:
            self._spring()

    def _spring(self):
        os.kill(os.getpid(), self._trap.number)


def _always(*_):
    return True


def _after(owner, name, when=_always):
    """Counts a pass behind each call of a function whose arguments are like that."""

    def hook(passed):
        real = getattr(owner, name)

        async def wait(*arguments, **named):
            result = await real(*arguments, **named)
            if when(*arguments):
                passed()
            return result

        def call(*arguments, **named):
            result = real(*arguments, **named)
            if when(*arguments):
                passed()
            return result

        wrapped = wait if inspect.iscoroutinefunction(real) else call
        setattr(owner, name, functools.wraps(real)(wrapped))

    return hook


def _before(owner, name):
    """Counts a pass before each call of a function."""

    def hook(passed):
        real = getattr(owner, name)

        @functools.wraps(real)
        def call(*arguments, **named):
            passed()
            return real(*arguments, **named)

        setattr(owner, name, call)

    return hook


def _all_but_one_deleted(passed):
    real = S3Bucket.delete

    def delete(bucket, keys):
        real(bucket, keys[:-1])
        passed()
        real(bucket, keys[-1:])

    S3Bucket.delete = delete


def _is_blob(_store, path, *_):
    return not path.suffix


def _is_blob_key(_bucket, key, *_):
    return key.startswith("blobs/") and not key.endswith(".json")


def _is_sidecar(path, *_):
    return path.suffix == ".json"


_HOOKS = {
    Point.LISTED: (_after(crawl_sources, "record_progress"),),
    Point.LEASED: (_after(frontier, "lease"), _after(shared_hosts, "lease_shared")),
    Point.FETCHED: (_after(Fetcher, "fetch"),),
    Point.SYNCED: (_after(os, "fsync"),),
    Point.PLACED: (
        _after(FolderStore, "_place", _is_blob),
        _after(S3Bucket, "create", _is_blob_key),
    ),
    Point.BETWEEN: (_before(FolderStore, "put_sidecar"), _before(S3Store, "put_sidecar")),
    Point.STORED: (
        _after(FolderStore, "put_with_sidecar"),
        _after(S3Store, "put_with_sidecar"),
    ),
    Point.WRITTEN: (_after(recording.Recording, "__call__"),),
    Point.COMMITTED: (_after(recorder.Recorder, "_write"),),
    Point.NAMED: (_after(FolderStore, "link"), _after(S3Store, "link")),
    Point.PURGE_COMMITTED: (_before(Purging, "_remove_files"),),
    Point.PURGE_HALF: (_after(Path, "unlink", _is_sidecar), _all_but_one_deleted),
    Point.PURGE_REMOVED: (_after(FolderStore, "remove"), _after(S3Store, "remove")),
    Point.REPLACED: (_after(replacements, "replace"),),
    Point.REPLACEMENT_COMMITTED: (_before(FolderStore, "remove"), _before(S3Store, "remove")),
    Point.REPLACEMENT_HALF: (_after(Path, "unlink", _is_sidecar), _all_but_one_deleted),
    Point.REPLACEMENT_REMOVED: (_after(FolderStore, "remove"), _after(S3Store, "remove")),
}

PURGE_POINTS = (Point.PURGE_COMMITTED, Point.PURGE_HALF, Point.PURGE_REMOVED)
REPLACEMENT_POINTS = (
    Point.REPLACED,
    Point.REPLACEMENT_COMMITTED,
    Point.REPLACEMENT_HALF,
    Point.REPLACEMENT_REMOVED,
)
_SELDOM = PURGE_POINTS + REPLACEMENT_POINTS
# On S3 nothing is synced by the crawler.
FOLDER_POINTS = tuple(point for point in Point if point not in _SELDOM)
BUCKET_POINTS = tuple(point for point in FOLDER_POINTS if point is not Point.SYNCED)
