"""One look at a folder: which image files there are, or have come since."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import structlog

from services.crawler.sources.source import IMAGE_SUFFIXES

FolderKey: TypeAlias = tuple[str, int]

# A thousand take a hundredth of a second (measured).
_CHUNK_ENTRIES = 1_000


@dataclass
class FolderLook:
    """Walks a folder in the order of its paths.

    A folder that was moved in brings files that are older than the last look, so all of it is listed: it is new, or, if
    no earlier look is remembered, was itself changed since. A time of change is that of the content, the name or the
    place.

    Attributes:
        folder: The folder, named without links.
        since: Files that were changed before are left out, seconds since 1970; 0 lists all.
        until: Files that were changed after may not be whole yet: they are `fresh`.
        known: Path and inode of the folders that the last look saw; None if none is remembered.
        fresh: Such files.
        seen: Path and inode of the folders that this look saw.
    """

    folder: Path
    since: float
    until: float
    known: AbstractSet[FolderKey] | None = None
    fresh: list[str] = field(default_factory=list)
    seen: set[FolderKey] = field(default_factory=set)

    def chunks(self) -> Iterator[list[str]]:
        """Yields the paths to list, after every thousand entries what there is, even if it is nothing; blocks.

        Raises:
            OSError: The folder itself cannot be read; subfolders that cannot are logged and left out.
        """
        is_new = self._is_new(str(self.folder), self.folder.stat())
        # A folder changes with whatever comes into it: without a memory that says nothing of all that is below.
        lists_all = self.since <= 0 or (is_new and self.known is not None)
        waiting = [(_entries(self.folder), lists_all)]
        paths: list[str] = []
        count = 0
        while waiting:
            entries, lists_all = waiting[-1]
            if not entries:
                waiting.pop()
                continue
            entry = entries.pop()
            if entry.is_dir(follow_symlinks=False):
                waiting.append(self._subfolder(entry, lists_all=lists_all))
            elif self._is_listed(entry, lists_all=lists_all):
                paths.append(entry.path)
            count += 1
            if count % _CHUNK_ENTRIES == 0:
                yield paths
                paths = []
        yield paths

    def _subfolder(
        self, entry: os.DirEntry[str], *, lists_all: bool
    ) -> tuple[list[os.DirEntry[str]], bool]:
        try:
            is_new = self._is_new(entry.path, entry.stat(follow_symlinks=False))
            return _entries(entry.path), lists_all or is_new
        except OSError as error:
            structlog.get_logger().warning("folder_not_read", folder=entry.path, cause=str(error))
            return [], False

    def _is_new(self, path: str, facts: os.stat_result) -> bool:
        key = (path, facts.st_ino)
        self.seen.add(key)
        return facts.st_ctime >= self.since if self.known is None else key not in self.known

    def _is_listed(self, entry: os.DirEntry[str], *, lists_all: bool) -> bool:
        change_time = self._change_time(entry)
        if change_time is None or (change_time < self.since and not lists_all):
            return False
        if change_time > self.until:
            self.fresh.append(entry.path)
            return False
        return True

    def _change_time(self, entry: os.DirEntry[str]) -> float | None:
        """When a file that is to be listed was last changed or moved, seconds since 1970; None for all else."""
        if os.path.splitext(entry.name)[1].lower() not in IMAGE_SUFFIXES:  # noqa: PTH122 - a Path costs ten times that
            return None
        try:
            facts = self._target_facts(entry) if entry.is_symlink() else entry.stat()
        except (OSError, RuntimeError):
            return None
        is_file = facts is not None and stat.S_ISREG(facts.st_mode)
        return max(facts.st_ctime, facts.st_mtime) if facts is not None and is_file else None

    def _target_facts(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        """Of the file that a link leads to, if that is inside the folder."""
        target = Path(entry.path).resolve(strict=True)
        return target.stat() if target.is_relative_to(self.folder) else None


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """The visible entries of a folder, last name first: they are taken from the end."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: os.fsencode(entry.name), reverse=True)
