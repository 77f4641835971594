"""A folder of images on this machine, with all its subfolders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from services.crawler.post import Post
from services.crawler.sources.folder_look import FolderKey, FolderLook
from services.crawler.sources.kind import SourceKind, SourceTools
from services.crawler.sources.source import BadSource, Batch, SourceFailed
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
        # Of the last look that came to its end, in this process.
        self._known: frozenset[FolderKey] | None = None

    @property
    def uri(self) -> str:
        """`folder:` and the absolute path."""
        return f"folder:{self._folder}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists image files, reading up to a thousand entries at a time in a thread.

        The cursor is a time: files that were neither changed nor moved there since are left out.

        Raises:
            SourceFailed: The folder itself cannot be read.
        """
        began, since = time.time(), _read_cursor(cursor)
        look = FolderLook(self._folder, since, began - self._settle_s, self._known)
        chunks = look.chunks()
        try:
            while (paths := await asyncio.to_thread(next, chunks, None)) is not None:
                if paths:
                    yield Batch(tuple(map(_post, paths)))
        except OSError as error:
            raise SourceFailed(self.uri, error.strerror or str(error)) from error
        if look.fresh and not cursor:
            await asyncio.sleep(self._settle_s)
            yield Batch(tuple(map(_post, look.fresh)))
        # Twice as far back: the clock of a network's folder may differ.
        yield Batch((), cursor=repr(began - 2 * self._settle_s))
        self._known = frozenset(look.seen)


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


def _post(text: str) -> Post:
    path = Path(text)
    return Post(url=path.as_uri(), title=clean_text(path.stem))


def _read_cursor(cursor: str) -> float:
    try:
        return float(cursor)
    except ValueError:
        return 0.0
