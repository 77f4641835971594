"""`urls:/path`: a file of image URLs, as text, CSV, JSON lines or Parquet."""

from __future__ import annotations

import asyncio
import csv
import itertools
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.listing import Listing
from services.crawler.sources.source import SourceFailed

_CHUNK = 500
_LINE_MAX = 65_536

Row = Mapping[str, object]


class UrlsSource:
    """Lists the URLs of a file in its order, reading it piece by piece.

    Each row is a URL, or has a column `url` and perhaps `title`, `page_url` and `author`. Rows without a usable http or
    https URL are counted in the log and left out.
    """

    def __init__(self, path: Path) -> None:
        self.uri = f"urls:{path}"
        self._path = path
        self._read = READERS[path.suffix.lower()]

    async def list_images(self) -> AsyncGenerator[Listing]:
        """Yields the file's rows.

        Raises:
            SourceFailed: The file cannot be read, or is not of the format that its suffix says.
        """
        rows = self._rows()
        bad_count = 0
        while chunk := await asyncio.to_thread(self._chunk, rows):
            for row in chunk:
                listing = self._listing(row)
                if listing is None:
                    bad_count += 1
                else:
                    yield listing
        if bad_count:
            structlog.get_logger().warning("rows_left_out", source=self.uri, count=bad_count)

    def _rows(self) -> Iterator[Row]:
        return iter(self._read(self._path))

    def _chunk(self, rows: Iterator[Row]) -> list[Row]:
        try:
            return list(itertools.islice(rows, _CHUNK))
        except (OSError, csv.Error, pa.ArrowException, KeyError) as error:
            cause = " ".join(str(error).split())[:200]
            raise SourceFailed(self.uri, f"it cannot be read: {cause}") from error

    def _listing(self, row: Row) -> Listing | None:
        try:
            url = parse_url(_text(row, "url")).text
        except BadUrl:
            return None
        return Listing(
            self.uri, url, _text(row, "title"), _text(row, "page_url"), _text(row, "author")
        )


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    return (
        value.strip()[:2_000]
        if isinstance(value, str) and key != "url"
        else str(value or "").strip()
    )


def _lines(path: Path) -> Iterator[str]:
    # utf-8-sig drops a byte order mark; bytes that are not UTF-8 cannot be part of a URL anyway.
    with path.open(encoding="utf-8-sig", errors="replace", newline=None) as handle:
        while line := handle.readline(_LINE_MAX):
            yield line


def _read_text(path: Path) -> Iterator[Row]:
    for line in _lines(path):
        text = line.strip()
        if text and not text.startswith("#"):
            yield {"url": text}


def _read_csv(path: Path) -> Iterator[Row]:
    # csv refuses NUL characters, which no URL has.
    rows = csv.reader(line.replace("\0", "") for line in _lines(path))
    header = [name.strip().lower() for name in next(rows, [])]
    if "url" in header:
        for row in rows:
            yield dict(zip(header, row, strict=False))
        return
    for row in itertools.chain([header], rows):
        yield {"url": next((cell for cell in row if "://" in cell), "")}


def _read_json_lines(path: Path) -> Iterator[Row]:
    for line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        yield row if isinstance(row, dict) else {}


def _read_parquet(path: Path) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if name in _COLUMNS]
        if "url" not in names:
            cause = "it has no column 'url'"
            raise KeyError(cause)
        for batch in file.iter_batches(_CHUNK, columns=names):
            yield from batch.to_pylist()


_COLUMNS = frozenset({"url", "title", "page_url", "author"})

READERS: Mapping[str, Callable[[Path], Iterable[Row]]] = {
    ".txt": _read_text,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".parquet": _read_parquet,
}
