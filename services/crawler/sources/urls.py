"""A file of URLs on this machine: .txt, .csv, .jsonl or .parquet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path

from services.crawler.listing import Listing
from services.crawler.sources.source import SourceFailed
from services.crawler.sources.url_rows import UnreadableList, UrlRow, read_rows

_BATCH_ROWS = 256


class UrlListSource:
    """Lists the URLs of a file in its order, however long it is: it is never in memory as a whole.

    - `.txt`: one URL a line; `#` starts a comment line.
    - `.csv`: the column `url`, or the first that holds URLs; `title`, `author` and `page_url` if they are there.
    - `.jsonl`: an object a line, with the same keys.
    - `.parquet`: the same columns.

    Rows without a URL are counted and left out.
    """

    def __init__(self, path: Path) -> None:
        """Takes an existing file with one of the four suffixes."""
        self._path = path.resolve()
        self._skipped_count = 0

    @property
    def uri(self) -> str:
        """`urls:` and the absolute path."""
        return f"urls:{self._path}"

    @property
    def skipped_count(self) -> int:
        """Rows without a URL."""
        return self._skipped_count

    async def list_images(self) -> AsyncGenerator[Listing, None]:
        """Lists one row after the other, read in a thread, 256 at a time.

        Raises:
            SourceFailed: The file cannot be read, or is not what its suffix says.
        """
        rows = read_rows(self._path)
        self._skipped_count = 0
        while batch := await self._next(rows):
            for row in batch:
                if row is None:
                    self._skipped_count += 1
                    continue
                yield Listing(self.uri, row.url, row.title, row.page_url, row.author)

    async def _next(self, rows: Iterator[UrlRow | None]) -> list[UrlRow | None]:
        try:
            return await asyncio.to_thread(lambda: list(islice(rows, _BATCH_ROWS)))
        except OSError as error:
            raise SourceFailed(self.uri, error.strerror or str(error)) from error
        except UnreadableList as error:
            raise SourceFailed(self.uri, str(error)) from error
