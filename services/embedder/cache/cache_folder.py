"""Where the cache's file is."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"embeddings-(\d{1,9})\.sqlite")


class CacheFolder:
    """A folder with one file in use, the one with the highest number: `embeddings-1.sqlite` at first.

    A damaged file is not mended. A new one gets the next number and not the same name: SQLite finds its journals by
    name, and another process may still have the damaged file open. Every method raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def newest(self) -> Path:
        """The file in use, which may have to be made; the folder is."""
        self._path.mkdir(parents=True, exist_ok=True)
        found = (_NAME.fullmatch(one.name) for one in self._path.iterdir())
        return self._file(max((int(match[1]) for match in found if match), default=1))

    def replace(self, damaged: Path) -> None:
        """Puts an empty file in the place of a damaged one, unless somebody has."""
        if self.newest() != damaged:
            return
        match = _NAME.fullmatch(damaged.name)
        assert match is not None, "newest() gives such names alone"
        self._file(int(match[1]) + 1).touch()
        for suffix in ("", "-wal", "-shm"):
            damaged.with_name(damaged.name + suffix).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self._path / f"embeddings-{number}.sqlite"
