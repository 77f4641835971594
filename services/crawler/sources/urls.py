"""A file of URLs on this machine: .txt, .csv, .jsonl or .parquet."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable
from itertools import islice
from pathlib import Path
from typing import TypeVar

from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.post import Post
from services.crawler.resolvers.registry import resolve
from services.crawler.sources.kind import SourceKind, SourceTools
from services.crawler.sources.source import BadSource, Batch, SourceFailed
from services.crawler.sources.url_rows import LIST_READERS, UnreadableList, UrlRow, read_rows

Result = TypeVar("Result")

_BATCH_ROWS = 256
_HEAD_BYTES = 4_096


class UrlListSource:
    """Lists the URLs of a file in its order, however long it is: it is never in memory as a whole.

    - `.txt`: one URL a line; `#` starts a comment line.
    - `.csv`: the column `url`, or the first that holds URLs; `title`, `author` and `page_url` if they are there.
    - `.jsonl`: an object a line, with the same keys.
    - `.parquet`: the same columns.

    Rows without a URL are counted and left out. A page of a host that is known (imgur, Flickr, Reddit) stands for the
    images behind it.
    """

    poll_s = 60.0

    def __init__(self, path: Path) -> None:
        """Takes an existing file with one of the four suffixes."""
        self._path = path.resolve()

    @property
    def uri(self) -> str:
        """`urls:` and the absolute path."""
        return f"urls:{self._path}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists the rows behind the cursor, read in a thread, 256 at a time.

        The cursor counts rows. Of a file that begins otherwise than it did, it counts none.

        Raises:
            SourceFailed: The file cannot be read, or is not what its suffix says.
        """
        head = await self._in_thread(self._head)
        done_count = _read_cursor(cursor, head)
        rows = islice(read_rows(self._path), done_count, None)
        while batch := await self._in_thread(lambda: list(islice(rows, _BATCH_ROWS))):
            done_count += len(batch)
            posts = tuple(_post(row) for row in batch if row is not None)
            yield Batch(posts, json.dumps([done_count, head]), len(batch) - len(posts))

    def _head(self) -> str:
        with self._path.open("rb") as handle:
            return hashlib.sha256(handle.read(_HEAD_BYTES)).hexdigest()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise SourceFailed(self.uri, error.strerror or str(error)) from error
        except UnreadableList as error:
            raise SourceFailed(self.uri, str(error)) from error


def _post(row: UrlRow) -> Post:
    try:
        images = resolve(parse_url(row.url))
    except BadUrl:
        # Listed as it is: its outcome says what is wrong with it.
        images = None
    return Post(row.url, images, title=row.title, author=row.author, page_url=row.page_url)


def _read_cursor(cursor: str, head: str) -> int:
    """How many rows are done; 0 if the cursor is of another file."""
    try:
        count, of_head = json.loads(cursor)
    except (ValueError, TypeError):
        return 0
    return count if of_head == head and isinstance(count, int) and count > 0 else 0


def _parse(source: str, path: str, tools: SourceTools) -> UrlListSource:
    file = tools.local_path(source, path)
    if file.suffix.lower() not in LIST_READERS:
        raise BadSource(source, f"a file of URLs ends in one of {', '.join(LIST_READERS)}")
    try:
        is_file = file.is_file()
    except (OSError, ValueError) as error:
        raise BadSource(source, "its path cannot be read") from error
    if not is_file:
        raise BadSource(source, "there is no such file")
    return UrlListSource(file)


URLS = SourceKind(
    word="urls",
    forms=("urls:FILE", "FILE"),
    summary="The URLs in a file: .txt, .csv, .jsonl or .parquet.",
    example="urls:~/links.txt",
    parse=_parse,
)
