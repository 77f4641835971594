"""A folder of images on this machine, with all its subfolders."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog

from services.crawler.listing import Listing
from services.crawler.sources.source import IMAGE_SUFFIXES, SourceFailed
from services.crawler.sources.text import clean_text


class FolderSource:
    """Lists the image files of a folder in the order of their paths.

    Hidden files and folders are left out. A symbolic link to a file is listed if the file is inside the folder; links
    to folders are not followed: inside, the folder itself is listed.
    """

    def __init__(self, folder: Path) -> None:
        """Takes an existing folder; its name is the path without symbolic links."""
        self._folder = folder.resolve()
        self._log = structlog.get_logger()

    @property
    def uri(self) -> str:
        """`folder:` and the absolute path."""
        return f"folder:{self._folder}"

    @property
    def skipped_count(self) -> int:
        """Always 0: what has no address is not seen as an entry."""
        return 0

    async def list_images(self) -> AsyncGenerator[Listing, None]:
        """Lists one image file after the other, reading one folder at a time.

        Raises:
            SourceFailed: The folder itself cannot be read; subfolders that cannot are logged and left out.
        """
        try:
            waiting = [await asyncio.to_thread(_entries, self._folder)]
        except OSError as error:
            raise SourceFailed(self.uri, error.strerror or str(error)) from error
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                continue
            entry = waiting[-1].pop()
            if entry.is_dir(follow_symlinks=False):
                waiting.append(await self._subfolder(Path(entry.path)))
            elif await asyncio.to_thread(self._is_listed, entry):
                yield self._listing(Path(entry.path))

    async def _subfolder(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            return await asyncio.to_thread(_entries, folder)
        except OSError as error:
            self._log.warning(
                "folder_not_read", source=self.uri, folder=str(folder), cause=str(error)
            )
            return []

    def _is_listed(self, entry: os.DirEntry[str]) -> bool:
        if Path(entry.name).suffix.lower() not in IMAGE_SUFFIXES:
            return False
        try:
            if not entry.is_symlink():
                return entry.is_file()
            target = Path(entry.path).resolve(strict=True)
            return target.is_file() and target.is_relative_to(self._folder)
        except (OSError, RuntimeError):
            return False

    def _listing(self, path: Path) -> Listing:
        return Listing(source=self.uri, url=path.as_uri(), title=clean_text(path.stem))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The visible entries of a folder, last name first: they are taken from the end."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: os.fsencode(entry.name), reverse=True)
