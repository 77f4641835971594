"""A dump: objects of JSON, one a line, in a file that may be compressed and larger than any disk when it is not."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Reddit's largest posts have some hundreds of kilobytes.
LINE_MAX_BYTES = 4 * 2**20

# So much is one step: some fifty posts, which hold up nobody for long.
_BLOCK_BYTES = 2**18
_SKIP_BYTES = 64 * 2**20
# The dumps of whole months were made with `zstd --long=31`: their windows are up to 2 GiB.
_WINDOW_LOG_MAX = 31
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Some lines of a dump.

    Attributes:
        lines: Without their ends; some may be empty.
        end: Where the next block begins, in bytes of the decompressed file.
        skipped_count: Lines that are too long.
        is_cut: Whether the last line has no end: the file was not written to its end, yet or ever.
        damage: Why there is nothing more, although the file goes on; empty if all is well.
    """

    lines: list[bytes]
    end: int
    skipped_count: int = 0
    is_cut: bool = False
    damage: str = ""


def _open_plain(path: Path) -> BinaryIO:
    return path.open("rb")


def _open_gzip(path: Path) -> BinaryIO:
    # It reads and seeks as binary files do.
    return gzip.open(path, "rb")  # type: ignore[return-value]


def _open_zstd(path: Path) -> BinaryIO:
    options = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG_MAX}
    return zstd.open(path, "rb", options=options)  # type: ignore[return-value]


# By suffix.
DUMP_OPENERS: dict[str, Callable[[Path], BinaryIO]] = {
    ".zst": _open_zstd,
    ".jsonl": _open_plain,
    ".ndjson": _open_plain,
    ".gz": _open_gzip,
}


def read_lines(path: Path, offset: int) -> Iterator[LineBlock]:
    """Reads a dump from a byte of the decompressed file on, in blocks of about 1 MiB.

    Compressed files cannot be entered in the middle: what lies before the offset is decompressed and thrown away, in
    steps of 64 MiB, each of which is a block without lines.

    Raises:
        OSError: The file cannot be read.
    """
    with DUMP_OPENERS[path.suffix.lower()](path) as stream:
        pieces = _Lines(offset)
        try:
            if path.suffix.lower() not in (".zst", ".gz"):
                stream.seek(offset)
            else:
                yield from _skip(stream, offset)
            while piece := stream.read(_BLOCK_BYTES):
                yield pieces.add(piece)
        except _DAMAGE as error:
            yield pieces.last(damage=f"{path.name} is damaged or cut off: {error}")
            return
        yield pieces.last()


def _skip(stream: BinaryIO, offset: int) -> Iterator[LineBlock]:
    done = skipped = 0
    while done < offset and (piece := stream.read(min(_BLOCK_BYTES, offset - done))):
        done += len(piece)
        if done - skipped >= _SKIP_BYTES:
            skipped = done
            yield LineBlock([], offset)


class _Lines:
    """Puts pieces together to lines, none longer than the limit."""

    def __init__(self, offset: int) -> None:
        self._end = offset
        self._rest = b""
        self._dropped_bytes = 0

    def add(self, piece: bytes) -> LineBlock:
        """The lines that a piece completes."""
        cut = piece.rfind(b"\n") + 1
        if not cut:
            self._keep(piece)
            return LineBlock([], self._end)
        whole = self._rest + piece[:cut]
        lines = whole.split(b"\n")[:-1]
        is_long = self._dropped_bytes > 0 or len(lines[0]) > LINE_MAX_BYTES
        self._end += self._dropped_bytes + len(whole)
        self._rest, self._dropped_bytes = b"", 0
        self._keep(piece[cut:])
        return LineBlock(lines[1:] if is_long else lines, self._end, int(is_long))

    def last(self, *, damage: str = "") -> LineBlock:
        """What is left at the end of the file."""
        if damage or self._dropped_bytes:
            return LineBlock(
                [], self._end, int(bool(self._rest or self._dropped_bytes)), damage=damage
            )
        lines = [self._rest] if self._rest else []
        return LineBlock(lines, self._end + len(self._rest), is_cut=bool(self._rest))

    def _keep(self, piece: bytes) -> None:
        self._rest += piece
        if self._dropped_bytes or len(self._rest) > LINE_MAX_BYTES:
            self._dropped_bytes += len(self._rest)
            self._rest = b""
