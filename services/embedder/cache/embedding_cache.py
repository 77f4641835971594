"""The embedding cache: a repeat costs neither decoding nor inference."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Final

from prometheus_client import CollectorRegistry

from services.embedder.cache.cache_file import CacheFile, Found
from services.embedder.cache.cache_metrics import CacheMetrics, Lookup, Write
from services.embedder.cache.cache_user import CacheAway, CachePlace, CacheUser, TroubleLog
from services.embedder.cache.embedding_kind import EmbeddingKind, Values
from services.embedder.cache.entry import Entry
from services.servicekit.computed import Computed

# A lookup holds up an image, and those behind it; a write holds up nobody.
_LOOKUP_TIMEOUT_S = 0.02
_WRITE_TIMEOUT_S = 1.0
_GATHER_S = 0.05
_BATCH = 64
_CLOSE_S: Final = 5.0


class EmbeddingCache:
    """Embeddings by image, on the disk, at most so many bytes of them; when it is full, the one used longest ago goes.

    "Longest" is meant roughly: a use is noted only when the entry is in the older half. Whatever goes wrong with the
    cache is counted and logged, and makes a miss; an error of the file has it left alone for a while. What was computed
    is written by a thread of its own, a batch at a time, and found from the first moment on; a process that is killed
    loses what waits for that, and nothing else. Several processes may share a folder.
    """

    def __init__(
        self,
        place: CachePlace,
        kind: EmbeddingKind,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], float] = time.monotonic,
        waiting_limit: int = 1024,
    ) -> None:
        """Opens the file, if it can be opened, and starts the thread.

        Args:
            place: Where it lies, and how large it becomes.
            kind: Of all its embeddings; those of other kinds are kept in the same file for others.
            registry: Where lookups, writes and the size are counted.
            clock: Seconds.
            waiting_limit: Embeddings that wait to be written at most; more are dropped.
        """
        self._kind = kind
        self._waiting_limit = waiting_limit
        self._metrics = CacheMetrics(registry)
        trouble = TroubleLog(clock)
        self._reader = CacheUser(place, trouble, timeout_s=_LOOKUP_TIMEOUT_S, clock=clock)
        self._reading = threading.Lock()
        self._writer = CacheUser(place, trouble, timeout_s=_WRITE_TIMEOUT_S, clock=clock)
        self._middle_turn = 0
        self._changed = threading.Condition()
        self._waiting: dict[bytes, Entry] = {}
        self._used: dict[bytes, None] = {}
        self._closing = threading.Event()
        self._write([], [])
        self._thread = threading.Thread(target=self._work, name="embedder-cache", daemon=True)
        self._thread.start()

    def find(self, digest: bytes) -> Computed[Values] | None:
        """The embedding of the image with this digest, bit by bit as it was kept; None if there is none. Any thread."""
        if self._closing.is_set():
            return None
        key = self._kind.key(digest)
        try:
            found = self._look(key)
        except CacheAway:
            self._metrics.looked(Lookup.FAILED)
            return None
        if found is None:
            self._metrics.looked(Lookup.MISS)
            return None
        computed = None if found.entry is None else self._kind.computed(found.entry)
        self._metrics.looked(Lookup.FAILED if computed is None else Lookup.HIT)
        return computed

    def keep(self, digest: bytes, computed: Computed[Values]) -> None:
        """Has an embedding written soon, unless too many wait already; a value that is no embedding is dropped."""
        key = self._kind.key(digest)
        entry = self._kind.entry(key, computed)
        with self._changed:
            if entry is None or len(self._waiting) >= self._waiting_limit:
                self._metrics.wrote(Write.DROPPED)
                return
            self._waiting[key] = entry
            self._changed.notify()

    def close(self) -> None:
        """Writes what waits, for a few seconds at most, and closes the file; nothing is found any more. Blocks."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        self._thread.join(_CLOSE_S)
        with self._reading:
            self._reader.close()

    def _look(self, key: bytes) -> Found | None:
        with self._changed:
            waiting = self._waiting.get(key)
        if waiting is not None:
            return Found(waiting, self._middle_turn)
        with self._reading:
            found = self._reader.use(lambda file: file.find(key))
        if found is not None and found.turn < self._middle_turn:
            self._note_use(key)
        return found

    def _note_use(self, key: bytes) -> None:
        with self._changed:
            if len(self._used) < self._waiting_limit:
                self._used[key] = None
                self._changed.notify()

    def _work(self) -> None:
        """In the thread: writes what waits until all is written and nothing more comes."""
        while self._wait():
            with self._changed:
                entries = list(islice(self._waiting.values(), _BATCH))
                used = list(islice(self._used, _BATCH))
            self._write(entries, used)
            with self._changed:
                for entry in entries:
                    # A newer one of the same image stays.
                    if self._waiting.get(entry.key) is entry:
                        del self._waiting[entry.key]
                for key in used:
                    del self._used[key]
        self._writer.close()

    def _wait(self) -> bool:
        """Whether there is something to write; more than its first moment is waited for."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._used or self._closing.is_set())
            if not (self._waiting or self._used):
                return False
            if len(self._waiting) >= _BATCH:
                return True
        self._closing.wait(_GATHER_S)
        return True

    def _write(self, entries: list[Entry], used: list[bytes]) -> None:
        def work(file: CacheFile) -> tuple[int, int]:
            if entries or used:
                file.write(entries, used)
            return file.middle_turn(), file.used_bytes()

        try:
            self._middle_turn, size_bytes = self._writer.use(work)
        except CacheAway:
            self._metrics.wrote(Write.FAILED, len(entries))
            return
        self._metrics.wrote(Write.KEPT, len(entries))
        self._metrics.holds(size_bytes)
