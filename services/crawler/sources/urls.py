"""A file of URLs on this machine: .txt, .csv, .jsonl or .parquet."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
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

        The cursor counts rows. A file that was read to its end is not read again while it stays as it is; of one that
        begins otherwise than it did, no row is done. A last line without an end is listed, and done once it has one:
        somebody may be writing it.

        Raises:
            SourceFailed: The file cannot be read, or is not what its suffix says.
        """
        facts = await self._in_thread(self._facts)
        done_count = _read_cursor(cursor, facts)
        if done_count is None:
            return
        rows = islice(read_rows(self._path), done_count, None)
        while batch := await self._in_thread(lambda: list(islice(rows, _BATCH_ROWS))):
            done_count += len(batch)
            posts = tuple(_post(row) for row in batch if row is not None)
            yield Batch(posts, json.dumps([done_count, facts.head, ""]), len(batch) - len(posts))
        is_open = facts.is_open and done_count > 0
        yield Batch((), json.dumps([done_count - is_open, facts.head, facts.stamp]))

    def _facts(self) -> _FileFacts:
        with self._path.open("rb") as handle:
            status = os.fstat(handle.fileno())
            head = hashlib.sha256(handle.read(_HEAD_BYTES)).hexdigest()
            handle.seek(max(0, status.st_size - 1))
            is_open = self._path.suffix.lower() != ".parquet" and handle.read(1) != b"\n"
        return _FileFacts(head, f"{status.st_size} {status.st_mtime_ns}", is_open)

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


@dataclass(frozen=True, slots=True)
class _FileFacts:
    """A file as it stands.

    Attributes:
        head: Digest of its first bytes.
        stamp: Its length and when it was written to.
        is_open: Whether it ends in the middle of a line.
    """

    head: str
    stamp: str
    is_open: bool


def _read_cursor(cursor: str, facts: _FileFacts) -> int | None:
    """How many rows are done; 0 if the cursor is of another file; None if there is nothing new."""
    try:
        count, head, stamp = json.loads(cursor)
    except (ValueError, TypeError, RecursionError):
        return 0
    if head != facts.head or not isinstance(count, int) or count < 0:
        return 0
    return None if stamp == facts.stamp else count


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
