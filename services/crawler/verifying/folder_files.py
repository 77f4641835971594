"""The files of a store in a data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from services.crawler.store.folder_store import FolderStore
from services.crawler.verifying.regular_file import file_digest, is_same_file, read_file
from services.crawler.verifying.stored_files import SET_ASIDE, StoredFile, blob_path
from services.servicekit.disk import sync


class FolderFiles:
    """MendableFiles below a folder; makes and opens nothing by itself."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def digest(self, path: str) -> tuple[str, int]:
        """SHA-256 and size of a file; see `StoredFiles.digest`."""
        return file_digest(self._root / path)

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """The bytes of a file; empty if there are more."""
        return read_file(self._root / path, max_bytes=max_bytes)

    def holds(self, path: str, digest: str) -> bool:
        """Whether a readable name is a hard link to the bytes, or a copy of them."""
        place = self._root / path
        if is_same_file(place, self._root / blob_path(digest)):
            return True
        return file_digest(place)[0] == digest

    def entries(self, folder: str) -> Iterator[StoredFile]:
        """What is right below a folder, by name; nothing if it is not there."""
        try:
            with os.scandir(self._root / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in entries:
            yield StoredFile(
                f"{folder}/{entry.name}",
                entry.name,
                is_folder=entry.is_dir(follow_symlinks=False),
                is_file=entry.is_file(follow_symlinks=False),
            )

    def files(self, folder: str) -> Iterator[StoredFile]:
        """The same: a folder is listed at once."""
        return self.entries(folder)

    def changed_time(self, file: StoredFile) -> float | None:
        """When it was written; None if it is gone: it has found its place, or was purged."""
        try:
            return (self._root / file.path).lstat().st_mtime
        except FileNotFoundError:
            return None

    def exists(self, path: str) -> bool:
        """Whether anything has that path."""
        return os.path.lexists(self._root / path)

    def set_aside(self, path: str) -> str:
        """Moves a file to `set-aside/`. Returns where it is."""
        source, folder = self._root / path, self._root / SET_ASIDE
        folder.mkdir(exist_ok=True)
        names = (source.name if number == 1 else f"{source.name}.{number}" for number in count(1))
        target = next(folder / name for name in names if not os.path.lexists(folder / name))
        source.rename(target)
        sync(folder)
        sync(source.parent)
        return target.relative_to(self._root).as_posix()

    def remove(self, path: str) -> None:
        """Removes a file."""
        (self._root / path).unlink()

    def bring_back(self, source: str, digest: str) -> None:
        """Links the bytes to the file of a readable name, or copies them from it."""
        place, target = self._root / source, self._root / blob_path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(place, target)
        except OSError:
            FolderStore(self._root).put(place.read_bytes(), digest=digest)
            return
        sync(target.parent)
