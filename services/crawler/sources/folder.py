"""A folder of images on this machine, with all its subfolders."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog

from services.crawler.post import Post
from services.crawler.sources.kind import SourceKind, SourceTools
from services.crawler.sources.source import IMAGE_SUFFIXES, BadSource, Batch, SourceFailed
from services.crawler.sources.text import clean_text

# A file that was written to just now may not be whole yet.
_SETTLE_S = 2.0


class FolderSource:
    """Lists the image files of a folder in the order of their paths; later listings only those that are new there.

    Hidden files and folders are left out. A symbolic link to a file is listed if the file is inside the folder; links
    to folders are not followed: inside, the folder itself is listed.
    """

    poll_s = 5.0

    def __init__(self, folder: Path, *, settle_s: float = _SETTLE_S) -> None:
        """Takes an existing folder; its name is the path without symbolic links.

        Args:
            folder: The folder.
            settle_s: A file that was written to within so many seconds is listed last, or by the next listing.
        """
        self._folder = folder.resolve()
        self._settle_s = settle_s
        self._log = structlog.get_logger()

    @property
    def uri(self) -> str:
        """`folder:` and the absolute path."""
        return f"folder:{self._folder}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists one image file after the other, reading one folder at a time.

        The cursor is a time: files that were neither changed nor moved there since are left out.

        Raises:
            SourceFailed: The folder itself cannot be read; subfolders that cannot are logged and left out.
        """
        began, since = time.time(), _read_cursor(cursor)
        try:
            waiting = [await asyncio.to_thread(_entries, self._folder)]
        except OSError as error:
            raise SourceFailed(self.uri, error.strerror or str(error)) from error
        fresh: list[Path] = []
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                continue
            entry = waiting[-1].pop()
            if entry.is_dir(follow_symlinks=False):
                waiting.append(await self._subfolder(Path(entry.path)))
                continue
            change_time = await asyncio.to_thread(self._change_time, entry)
            if change_time is None or change_time < since:
                continue
            if change_time > began - self._settle_s:
                fresh.append(Path(entry.path))
            else:
                yield Batch((_post(Path(entry.path)),))
        if fresh and not cursor:
            await asyncio.sleep(self._settle_s)
            yield Batch(tuple(map(_post, fresh)))
        # Twice as far back: the clock of a network's folder may differ.
        yield Batch((), cursor=repr(began - 2 * self._settle_s))

    async def _subfolder(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            return await asyncio.to_thread(_entries, folder)
        except OSError as error:
            self._log.warning(
                "folder_not_read", source=self.uri, folder=str(folder), cause=str(error)
            )
            return []

    def _change_time(self, entry: os.DirEntry[str]) -> float | None:
        """When a file that is to be listed was last changed or moved, seconds since 1970; None for all else."""
        if Path(entry.name).suffix.lower() not in IMAGE_SUFFIXES:
            return None
        try:
            target = Path(entry.path)
            if entry.is_symlink():
                target = target.resolve(strict=True)
                if not target.is_relative_to(self._folder):
                    return None
            facts = target.stat()
        except (OSError, RuntimeError):
            return None
        return max(facts.st_ctime, facts.st_mtime) if stat.S_ISREG(facts.st_mode) else None


def _parse(source: str, path: str, tools: SourceTools) -> FolderSource:
    folder = tools.local_path(source, path)
    try:
        is_folder = folder.is_dir()
    except (OSError, ValueError) as error:
        raise BadSource(source, "its path cannot be read") from error
    if not is_folder:
        raise BadSource(source, "there is no such folder")
    return FolderSource(folder)


FOLDER = SourceKind(
    word="folder",
    forms=("folder:PATH", "PATH"),
    summary="The images in a folder and its subfolders; watches for new ones with --follow.",
    example="folder:~/Downloads",
    parse=_parse,
)


def _post(path: Path) -> Post:
    return Post(url=path.as_uri(), title=clean_text(path.stem))


def _read_cursor(cursor: str) -> float:
    try:
        return float(cursor)
    except ValueError:
        return 0.0


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The visible entries of a folder, last name first: they are taken from the end."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: os.fsencode(entry.name), reverse=True)
