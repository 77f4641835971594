"""The store in a folder: files named by digest, and hard links with readable names."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from services.crawler.store.blob_store import (
    BlobDamaged,
    BlobLost,
    BlobTooLarge,
    ReadableName,
    StoreAway,
    require_whole,
)
from services.crawler.store.sidecar import merge_sidecar
from services.servicekit.disk import sync
from services.servicekit.errors import Misconfigured

# What another crawler writes is in its place long before.
_UNDER_WAY_S = 3_600.0


class FolderStore:
    """A BlobStore: `blobs/` with files named by their SHA-256, and `kept/` with hard links to them.

    Everything is written beside its place, synced and renamed, and its folder is synced: whatever a row of the
    catalogue names is on the disk, whole.
    """

    def __init__(self, data: Path, *, alone: bool = True) -> None:
        """Makes the folders, and removes what a crash left half written: of the last hour only if nobody else writes.

        Raises:
            Misconfigured: They cannot be written.
        """
        self._data = data
        self._blobs = data / "blobs"
        self._kept = data / "kept"
        self._parts = data / "blobs" / "tmp"
        self._lock = data / "blobs.lock"
        try:
            for folder in (self._blobs, self._kept, self._parts):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock.touch()
            self._drop_parts(math.inf if alone else time.time() - _UNDER_WAY_S)
            # A crash may have left a folder that is not on the disk yet.
            sync(self._blobs)
        except OSError as error:
            message = f"cannot write the data folder {data}: {error.strerror}"
            raise Misconfigured(message) from error

    @property
    def address(self) -> str:
        """Empty: it is the data folder."""
        return ""

    def path(self, digest: str) -> Path:
        """Where the bytes of a digest are."""
        return self._blobs / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are there."""
        return self.path(digest).exists()

    def present(self, digests: Iterable[str]) -> set[str]:
        """Those of many digests whose bytes are there."""
        return {digest for digest in digests if self.has(digest)}

    def present_names(self, names: Iterable[ReadableName]) -> set[ReadableName]:
        """Those of many readable names that are there."""
        return {name for name in names if self._named(name).exists()}

    def read(self, digest: str, *, max_bytes: int) -> bytes:
        """Returns the bytes of a digest; empty if they are lost. Raises what `BlobStore.read` does."""
        with contextlib.suppress(FileNotFoundError), self.path(digest).open("rb") as handle:
            size_bytes = os.fstat(handle.fileno()).st_size
            if size_bytes > max_bytes:
                raise BlobTooLarge(digest, size_bytes, max_bytes)
            return require_whole(handle.read(), digest)
        return b""

    def put(self, encoded: bytes, *, digest: str) -> None:
        """Stores bytes alone, for what has a sidecar already; those that are there stay."""
        path = self.path(digest)
        with self._writing():
            if not path.exists():
                self._place(path, encoded)
                sync(path.parent)

    def put_with_sidecar(self, encoded: bytes, digest: str, facts: dict[str, Any]) -> None:
        """Stores bytes and their sidecar; both lie in one folder, synced once. See `BlobStore.put_with_sidecar`."""
        path = self.path(digest)
        with self._writing():
            if path.exists():
                _require_same(path, digest, encoded)
            elif encoded:
                self._place(path, encoded)
            else:
                raise BlobLost(digest)
        self.put_sidecar(digest, facts)

    def put_sidecar(self, digest: str, facts: dict[str, Any]) -> None:
        """Writes what is known of an image beside it, as `put_with_sidecar` does."""
        path = self.path(digest).with_suffix(".json")
        with self._writing():
            self._make_home(path)
            known = _content(path)
            while not self._replace(path, known, merge_sidecar(known, digest, facts)):
                known = _content(path)
            sync(path.parent)

    def link(self, digest: str, name: ReadableName) -> bool:
        """Gives an image its readable name, as a hard link, or a copy where the disk has none; False if it is lost."""
        source, target, part = self.path(digest), self._named(name), self._parts / uuid.uuid4().hex
        if not source.exists():
            return False
        with self._writing():
            # A person may have removed the whole of `kept/`.
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _link_or_copy(source, part)
                part.replace(target)
            except FileNotFoundError:
                if source.exists():
                    raise
                # It was removed since.
                return False
            finally:
                # Renaming one hard link onto another of the same file leaves both.
                part.unlink(missing_ok=True)
            sync(target.parent)
        return True

    def remove(self, digest: str, names: Iterable[ReadableName]) -> None:
        """Removes an image for good: its readable names, its sidecar and its bytes."""
        path = self.path(digest)
        with self._writing():
            for name in names:
                self._named(name).unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync(path.parent)

    def remove_name(self, name: ReadableName) -> None:
        """Removes a readable name alone."""
        path = self._named(name)
        with self._writing(), contextlib.suppress(FileNotFoundError):
            path.unlink()
            sync(path.parent)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What a disk refuses, it may take later: it is full, over its quota, mounted read-only, gone for now."""
        try:
            yield
        except OSError as error:
            cause = error.strerror or f"an unexpected {type(error).__name__}"
            raise StoreAway(str(self._data), cause) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Whoever replaces a sidecar is alone with it, among all processes that use the folder."""
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _named(self, name: ReadableName) -> Path:
        profile_name, file_name = name
        return self._kept / profile_name / file_name

    def _place(self, path: Path, content: bytes) -> None:
        """Puts synced content in its place; the place is on the disk when its folder is synced."""
        self._make_home(path)
        with self._part(content) as part:
            part.replace(path)

    def _replace(self, path: Path, known: bytes | None, content: bytes) -> bool:
        """Puts synced content in the place of what is known; False if that is not there any more."""
        # Others wait while it is put there, not while it is synced.
        with self._part(content) as part, self._alone():
            if _content(path) != known:
                part.unlink()
                return False
            part.replace(path)
        return True

    def _make_home(self, path: Path) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            sync(path.parent.parent)

    @contextlib.contextmanager
    def _part(self, content: bytes) -> Iterator[Path]:
        """Synced content that has no place yet; nothing is left of it if it gets none for an error."""
        part = self._parts / uuid.uuid4().hex
        try:
            with part.open("xb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            yield part
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _drop_parts(self, before: float) -> None:
        for part in self._parts.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found = part.lstat()
                # A folder is nothing of ours: a check tells of it.
                if found.st_mtime <= before and not stat.S_ISDIR(found.st_mode):
                    part.unlink()


def _content(path: Path) -> bytes | None:
    """What a file holds; None if there is none."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _require_same(path: Path, digest: str, encoded: bytes) -> None:
    """Refuses a file that was cut or edited behind our back; without bytes there is nothing to compare it with."""
    if not encoded:
        return
    size_bytes = path.stat().st_size
    if size_bytes != len(encoded) or path.read_bytes() != encoded:
        raise BlobDamaged(digest, size_bytes, len(encoded))


def _link_or_copy(source: Path, part: Path) -> None:
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
