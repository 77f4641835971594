"""Numbered folders: <root>/<name>/<version>/, each written once and whole, and no number given out twice."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.novelty.profile import NAME_PATTERN, VERSION_PATTERN, ProfileReference
from services.servicekit.disk import sync
from services.servicekit.errors import NotFound

TOMBSTONE: Final = "deleted"
"""A folder with a file of this name is a version that was deleted; its number stays taken."""

# No profile can have these names.
_STAGING: Final = ".staging"
_LOCK: Final = ".lock"


class VersionFolders:
    """The folders of all versions; any number of processes may share them.

    A folder, and what is added to it later, appears by renaming what was written and synced elsewhere on the same file
    system, so that it is there whole or not at all. Writers take turns by a lock on a file, which ends with the process
    that holds it.
    """

    def __init__(self, root: Path) -> None:
        """Makes the root; OSError if it cannot be made or written to."""
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        with self.writing():
            self._sweep()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Waits for the turn to write; `publish`, `add`, `put` and `delete` are called within it."""
        with open(self._root / _LOCK, "ab", opener=_open_waiting_for_nothing) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def names(self) -> list[str]:
        """The names that have a version, in order."""
        return [name for name in self._all_names() if self.versions(name)]

    def versions(self, name: str) -> list[int]:
        """The versions of a name that were not deleted, ascending."""
        return [number for number in self._numbers(name) if self.has(name, number)]

    def next_version(self, name: str) -> int:
        """A number that no version of the name has or had."""
        return max(self._numbers(name), default=0) + 1

    def has(self, name: str, version: int) -> bool:
        """Whether there is such a version and it was not deleted."""
        folder = self._folder(name, version)
        return folder.is_dir() and not (folder / TOMBSTONE).exists()

    def folder(self, name: str, version: int) -> Path:
        """The folder of a version.

        Raises:
            NotFound: There is no such version.
        """
        if not self.has(name, version):
            raise NotFound("profile", str(ProfileReference(name, version)))
        return self._folder(name, version)

    def publish(self, name: str, version: int, write: Callable[[Path], None]) -> None:
        """Makes a version's folder of what `write` puts into the empty folder that it is given."""
        folder = self._folder(name, version)
        folder.parent.mkdir(exist_ok=True)
        self._written(write).rename(folder)
        sync(folder.parent)
        sync(self._root)

    def add(self, name: str, version: int, part: str, write: Callable[[Path], None]) -> bool:
        """Adds a folder to a version; returns whether it was not there yet, and leaves it as it is if it was.

        Args:
            name: Of the profile.
            version: Of it.
            part: The name of the folder to add.
            write: Puts its content into the empty folder that it is given.

        Raises:
            NotFound: There is no such version.
        """
        folder = self.folder(name, version)
        if os.path.lexists(folder / part):
            return False
        self._written(write).rename(folder / part)
        sync(folder)
        return True

    def put(self, name: str, version: int, file_name: str, content: bytes) -> None:
        """Puts a file into a version's folder, in place of the one that is there.

        Raises:
            NotFound: There is no such version.
        """
        folder = self.folder(name, version)
        staging = self._written(lambda empty: _write_file(empty / file_name, content))
        (staging / file_name).replace(folder / file_name)
        sync(folder)

    def delete(self, name: str, version: int) -> None:
        """Deletes a version: it is gone from the moment that its tombstone is there.

        Raises:
            NotFound: There is no such version.
        """
        folder = self.folder(name, version)
        if folder.is_symlink():
            # Whatever it points to is no part of this.
            folder.unlink()
            folder.mkdir()
        (folder / TOMBSTONE).touch()
        sync(folder)
        sync(folder.parent)
        _empty(folder)

    def _written(self, write: Callable[[Path], None]) -> Path:
        staging = self._root / _STAGING
        shutil.rmtree(staging, ignore_errors=True)  # what a writer that was killed left
        staging.mkdir()
        write(staging)
        for path in sorted(staging.rglob("*"), reverse=True):
            if not path.is_symlink():
                sync(path)
        sync(staging)
        return staging

    def _sweep(self) -> None:
        """Empties the folders of versions whose deletion did not come to its end."""
        for name in self._all_names():
            for version in self._numbers(name):
                folder = self._folder(name, version)
                if (folder / TOMBSTONE).exists() and not folder.is_symlink():
                    _empty(folder)

    def _all_names(self) -> list[str]:
        entries = (entry.name for entry in self._root.iterdir() if entry.is_dir())
        return sorted(name for name in entries if re.fullmatch(NAME_PATTERN, name))

    def _folder(self, name: str, version: int) -> Path:
        return self._root / name / str(version)

    def _numbers(self, name: str) -> list[int]:
        try:
            entries = list((self._root / name).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = (entry.name for entry in entries)
        return sorted(int(name) for name in names if re.fullmatch(VERSION_PATTERN, name))


def _open_waiting_for_nothing(path: str, flags: int) -> int:
    """A pipe in its place is an error, and so is a link."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, 0o644)


def _write_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == TOMBSTONE:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
