"""Rows out of files of URLs, one at a time: plain text, CSV, JSON lines and Parquet."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from services.crawler.fetch.url import URL_MAX_CHARACTERS, BadUrl, has_scheme, parse_url
from services.crawler.sources.text import clean_text

_LINE_MAX_CHARACTERS = 1 << 20
_BATCH_ROWS = 1_024
_DELIMITERS = ",;\t"
_FIELDS = ("url", "title", "author", "page_url")
# Stands for a line that was too long to keep: a row without a URL.
_LOST_LINE = "\ufffd\n"


class UnreadableList(Exception):
    """The file as a whole is not what its suffix says; the text is the cause."""


@dataclass(frozen=True, slots=True)
class UrlRow:
    """What a row says about one image.

    Attributes:
        url: Canonical if it is a web URL; of another scheme as it stands, so that its outcome can say so.
        title: Cleaned; empty if there is none.
        author: The same.
        page_url: Canonical; empty if there is none or it is no web URL.
    """

    url: str
    title: str = ""
    author: str = ""
    page_url: str = ""


def read_rows(path: Path) -> Iterator[UrlRow | None]:
    """Reads a file by its suffix, row by row; a row that holds no URL is None.

    Raises:
        OSError: The file cannot be read.
        UnreadableList: It is not what its suffix says.
    """
    return LIST_READERS[path.suffix.lower()](path)


def _read_text(path: Path) -> Iterator[UrlRow | None]:
    with _open_text(path) as handle:
        for line in _lines(handle):
            text = line.strip() if line is not None else ""
            if line is None:
                yield None
            elif text and not text.startswith("#"):
                yield row_of({"url": text})


def _read_csv(path: Path) -> Iterator[UrlRow | None]:
    with _open_text(path) as handle:
        delimiter = max(_DELIMITERS, key=handle.readline(_LINE_MAX_CHARACTERS).count)
        handle.seek(0)
        lines = (line if line is not None else _LOST_LINE for line in _lines(handle))
        rows = csv.reader(lines, delimiter=delimiter)
        columns = _Columns()
        while True:
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error:
                yield None
                continue
            if any(cell.strip() for cell in cells) and not columns.are_named_by(cells):
                yield row_of(columns.fields(cells))


def _read_jsonl(path: Path) -> Iterator[UrlRow | None]:
    with _open_text(path) as handle:
        for line in _lines(handle):
            if line is None:
                yield None
            elif line.strip():
                yield row_of(_object(line))


def _read_parquet(path: Path) -> Iterator[UrlRow | None]:
    # Only this format needs it, and it takes longer to load than all the rest.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path, pre_buffer=False) as table:
            names = {name.lower(): name for name in reversed(table.schema_arrow.names)}
            if "url" not in names:
                raise UnreadableList("it has no column `url`")
            wanted = {name: names[name] for name in _FIELDS if name in names}
            for group in range(table.num_row_groups):
                for batch in table.iter_batches(
                    batch_size=_BATCH_ROWS, row_groups=[group], columns=list(wanted.values())
                ):
                    columns = {field: _values(batch[name]) for field, name in wanted.items()}
                    for place in range(batch.num_rows):
                        yield row_of({field: values[place] for field, values in columns.items()})
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnreadableList(clean_text(str(error)) or "it is no Parquet file") from error


LIST_READERS: Mapping[str, Callable[[Path], Iterator[UrlRow | None]]] = {
    ".txt": _read_text,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}


def row_of(fields: Mapping[str, object]) -> UrlRow | None:
    """A row out of its fields; None if `url` holds no URL of at most 8,192 characters."""
    url = _listed_url(fields.get("url"))
    if not url:
        return None
    return UrlRow(
        url=url,
        title=clean_text(fields.get("title")),
        author=clean_text(fields.get("author")),
        page_url=_web_url(fields.get("page_url")),
    )


class _Columns:
    """Where a CSV file has its fields: by its header, or the URL where the first row has one."""

    def __init__(self) -> None:
        self._places: dict[str, int] | None = None

    def are_named_by(self, cells: list[str]) -> bool:
        """Whether this row is the header: the first row is, unless it holds a web URL."""
        if self._places is not None:
            return False
        names = [cell.strip().lower() for cell in cells]
        self._places = {}
        if any(map(_web_url, cells)):
            return False
        self._places = {name: names.index(name) for name in _FIELDS if name in names}
        return True

    def fields(self, cells: list[str]) -> dict[str, object]:
        """A row's fields; the first row that holds a web URL says which column it is, if the header did not."""
        places = self._places or {}
        if "url" not in places:
            place = next((place for place, cell in enumerate(cells) if _web_url(cell)), None)
            places |= {"url": place} if place is not None else {}
            self._places = places
        return {field: cells[place] for field, place in places.items() if place < len(cells)}


def _listed_url(text: object) -> str:
    web_url = _web_url(text)
    if web_url or not isinstance(text, str):
        return web_url
    stripped = text.strip()
    is_url = has_scheme(stripped) and len(stripped) <= URL_MAX_CHARACTERS
    return stripped if is_url and stripped.isprintable() else ""


def _web_url(text: object) -> str:
    try:
        return parse_url(text.strip()).text if isinstance(text, str) else ""
    except BadUrl:
        return ""


def _object(line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return {key.lower(): field for key, field in value.items()} if isinstance(value, dict) else {}


def _values(column: Any) -> list[object]:
    """A Parquet column's values; text that is not UTF-8 spoils its own row only."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    return [
        value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
        for value in column.to_pylist()
    ]


def _open_text(path: Path) -> TextIO:
    with path.open("rb") as handle:
        start = handle.read(2)
    # What is not UTF-8 is kept as it is: in a URL it is escaped byte by byte, as it was meant.
    wide = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    errors = "replace" if wide else "surrogateescape"
    return path.open(encoding="utf-16" if wide else "utf-8-sig", errors=errors)


def _lines(handle: TextIO) -> Iterator[str | None]:
    """Lines of at most a million characters; None for a longer one, which is not kept in memory."""
    while line := handle.readline(_LINE_MAX_CHARACTERS):
        if len(line) < _LINE_MAX_CHARACTERS or line.endswith("\n"):
            yield line
            continue
        while (rest := handle.readline(_LINE_MAX_CHARACTERS)) and not rest.endswith("\n"):
            pass
        yield None
