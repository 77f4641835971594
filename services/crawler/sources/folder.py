"""`folder:/path`: the image files below a folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from services.crawler.listing import Listing
from services.crawler.sources.source import SourceFailed

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"})


class FolderSource:
    """Lists regular files with an image's suffix, folder by folder, by name.

    Symlinks to folders are not followed, and files that a symlink brings in from outside are left out.
    """

    def __init__(self, folder: Path) -> None:
        self.uri = f"folder:{folder}"
        self._folder = folder

    async def list_images(self) -> AsyncGenerator[Listing]:
        """Yields the folder's files.

        Raises:
            SourceFailed: The folder cannot be read.
        """
        levels = self._levels()
        while (found := await asyncio.to_thread(next, levels, None)) is not None:
            for listing in found:
                yield listing

    def _levels(self) -> Iterator[list[Listing]]:
        def fail(error: OSError) -> None:
            raise SourceFailed(self.uri, f"{error.strerror}: {error.filename}") from error

        for folder, folders, files in os.walk(self._folder, onerror=fail):
            folders.sort()
            paths = [Path(folder, name) for name in sorted(files)]
            yield [self._listing(path) for path in paths if self._is_ours(path)]

    def _is_ours(self, path: Path) -> bool:
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            return False
        return path.resolve().is_relative_to(self._folder)

    def _listing(self, path: Path) -> Listing:
        return Listing(self.uri, path.as_uri(), title=path.stem)
