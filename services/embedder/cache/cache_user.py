"""Uses the cache's file for as long as it can be used."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from services.embedder.cache.cache_file import CacheFile
from services.embedder.cache.cache_folder import CacheFolder
from services.servicekit.errors import LodestoneError

Result = TypeVar("Result")

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# An extended code has the cause in its upper bytes.
_PRIMARY_CODE = 0xFF


class CacheAway(LodestoneError):
    """The cache cannot be used now; never sent to a caller.

    Attributes:
        cause: Why, one line.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"the embedding cache cannot be used: {cause}")
        self.cause = cause


@dataclass(frozen=True, slots=True)
class CachePlace:
    """Where the cache lies, and how large it becomes.

    Attributes:
        folder: Its folder, on a local disk.
        max_bytes: The size of its file at most.
        pause_s: How long it is left alone after an error, seconds.
    """

    folder: Path
    max_bytes: int
    pause_s: float = 10.0


class TroubleLog:
    """Says what is wrong with the cache, once a minute at most: it may be wrong with every image."""

    _EVERY_S = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_s: float | None = None

    def tell(self, path: Path, cause: str) -> None:
        """Logs one line, unless one has just been logged."""
        now_s = self._clock()
        if self._told_s is None or now_s - self._told_s >= self._EVERY_S:
            self._told_s = now_s
            structlog.get_logger().warning("cache_away", path=str(path), cause=cause)


class CacheUser:
    """Opens the cache's file when it is used, and again after a pause when something went wrong.

    For one thread at a time. A damaged file is replaced by an empty one.
    """

    def __init__(
        self,
        place: CachePlace,
        trouble: TroubleLog,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout_s` is how long another process is waited for, seconds."""
        self._place = place
        self._folder = CacheFolder(place.folder)
        self._trouble = trouble
        self._timeout_s = timeout_s
        self._clock = clock
        self._file: CacheFile | None = None
        self._away: tuple[float, str] | None = None

    def use(self, work: Callable[[CacheFile], Result]) -> Result:
        """What `work` returns.

        Raises:
            CacheAway: The file cannot be used, or could not a moment ago.
        """
        if self._away is not None and self._clock() < self._away[0]:
            raise CacheAway(self._away[1])
        try:
            result = work(self._opened())
        except Exception as error:
            # Whatever a damaged file holds: the threads that use it must go on.
            raise self._leave(error) from error
        self._away = None
        return result

    def close(self) -> None:
        """Closes the file; using it opens it again."""
        if self._file is not None:
            # The last one to close a file tidies its journal up, which may fail; whoever opens it next does that, too.
            with suppress(sqlite3.Error):
                self._file.close()
            self._file = None

    def _opened(self) -> CacheFile:
        if self._file is not None and not self._file.is_in_place():
            self.close()
        if self._file is None:
            place = self._place
            path = self._folder.newest()
            try:
                self._file = CacheFile(path, max_bytes=place.max_bytes, timeout_s=self._timeout_s)
            except sqlite3.Error as error:
                self._replace_if_damaged(path, error)
                raise
        return self._file

    def _leave(self, error: Exception) -> CacheAway:
        path = self._place.folder if self._file is None else self._file.path
        if self._file is not None:
            self.close()
            self._replace_if_damaged(path, error)
        cause = " ".join(str(error).split()) or type(error).__name__
        self._trouble.tell(path, cause)
        self._away = (self._clock() + self._place.pause_s, cause)
        return CacheAway(cause)

    def _replace_if_damaged(self, path: Path, error: Exception) -> None:
        code = getattr(error, "sqlite_errorcode", 0)
        # What is no error of SQLite or of the disk comes of what stands in the file.
        if code & _PRIMARY_CODE in _DAMAGED or not isinstance(error, (sqlite3.Error, OSError)):
            with suppress(OSError):
                self._folder.replace(path)
