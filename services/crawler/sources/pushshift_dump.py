"""Dumps of Reddit's posts on this machine, as Pushshift and its successors made them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from services.crawler.post import Post
from services.crawler.resolvers.reddit_post import BadPost
from services.crawler.sources.archived_post import read_archived_post
from services.crawler.sources.dump_file import DUMP_OPENERS, LineBlock, read_lines
from services.crawler.sources.dump_filter import DumpFilter
from services.crawler.sources.dump_position import DumpPosition
from services.crawler.sources.kind import SourceKind, SourceTools
from services.crawler.sources.moments import ANY_TEXT, moment_text, read_span
from services.crawler.sources.options import join_options, split_options
from services.crawler.sources.source import BadSource, Batch, SourceFailed

_SUBREDDITS = re.compile(r"[A-Za-z0-9_-]{2,40}(?:\+[A-Za-z0-9_-]{2,40}){0,199}")
# Of comments, which have no images: `RC_2024-01.zst`, `EarthPorn_comments.zst`.
_COMMENTS = re.compile(r"RC_.*|.*_comments\..*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Dump:
    """A file and its place among the others."""

    name: str
    number: int
    path: Path


class PushshiftDumpSource:
    """Lists the posts of a dump, or of a folder of dumps in the order of their names, however large they are.

    Each step reads and parses about 1 MiB in a thread. Lines that are no posts are counted as skipped. A dump that is
    damaged or cut off is listed up to there, and states a gap.
    """

    poll_s = 60.0

    def __init__(self, path: Path, wanted: DumpFilter) -> None:
        """Takes an existing file with one of the suffixes, or a folder, and what is listed of it."""
        self._path = path.resolve()
        self._wanted = wanted

    @property
    def uri(self) -> str:
        """`pushshift-dump:`, the absolute path, and what is listed of it."""
        options = {
            "subreddit": "+".join(sorted(self._wanted.subreddits)),
            "after": moment_text(self._wanted.after),
            "before": moment_text(self._wanted.before),
        }
        return f"pushshift-dump:{join_options(str(self._path), options)}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists the posts behind the cursor.

        The cursor names a dump and a byte of its decompressed text. It counts for a file that begins as it did, so one
        that grows is listed on; dumps before that one are not looked at again.

        Raises:
            SourceFailed: A file cannot be read, or the only one is not what its suffix says.
        """
        steps = self._steps(DumpPosition.read(cursor))
        while True:
            try:
                batch = await asyncio.to_thread(next, steps, None)
            except OSError as error:
                raise SourceFailed(self.uri, error.strerror or str(error)) from error
            if batch is None:
                return
            yield batch

    def _steps(self, since: DumpPosition) -> Iterator[Batch]:
        """Every batch is a step of work, some 20 ms."""
        dumps = self._dumps()
        due = [dump for dump in dumps if dump.name >= since.file]
        if since.file and len(dumps) - len(due) > since.number:
            since = replace(since, number=len(dumps) - len(due))
            late = f"dumps came whose names sort before {since.file}: they are not listed"
            yield Batch((), since.write(), gap=late)
        for dump in due:
            yield from self._read(dump, since)

    def _dumps(self) -> list[_Dump]:
        if not self._path.is_dir():
            return [_Dump(self._path.name, 0, self._path)]
        files = filter(_is_dump, self._path.rglob("*"))
        names = sorted((file.relative_to(self._path).as_posix(), file) for file in files)
        return [_Dump(name, number, file) for number, (name, file) in enumerate(names)]

    def _read(self, dump: _Dump, since: DumpPosition) -> Iterator[Batch]:
        at = since
        if dump.name != since.file or not since.is_of(dump.path):
            at = DumpPosition.at_start(dump.name, dump.number, dump.path)
        if at.has_ended(dump.path):
            return
        for block in read_lines(dump.path, at.offset):
            if block.damage and not block.end and dump.path == self._path:
                raise SourceFailed(self.uri, block.damage)
            posts, skipped_count, left_bytes = self._read_block(block)
            at = replace(at, offset=block.end - left_bytes, end=None)
            yield Batch(posts, at.write(), skipped_count, block.damage)
        yield Batch((), at.at_end(dump.path).write())

    def _read_block(self, block: LineBlock) -> tuple[tuple[Post, ...], int, int]:
        """The posts, how many lines are none, and the length of a last line that is not yet whole."""
        posts, skipped_count, left_bytes = [], block.skipped_count, 0
        may_pass = self._wanted.may_pass
        for line in block.lines:
            if not line or not may_pass(line):
                continue
            try:
                entry = orjson.loads(line)
                if _is_post(entry):
                    if self._wanted.passes(entry):
                        posts.append(read_archived_post(entry))
                    continue
            except (orjson.JSONDecodeError, BadPost):
                left_bytes = len(line) if block.is_cut and line is block.lines[-1] else 0
            skipped_count += bool(line.strip())
        return tuple(posts), skipped_count, left_bytes


def _is_post(entry: object) -> bool:
    """Comments have no title."""
    return isinstance(entry, dict) and "title" in entry


def _is_dump(path: Path) -> bool:
    is_hidden = path.name.startswith(".")
    if is_hidden or path.suffix.lower() not in DUMP_OPENERS or _COMMENTS.fullmatch(path.name):
        return False
    return path.is_file() and not path.is_symlink()


def _parse(source: str, text: str, tools: SourceTools) -> PushshiftDumpSource:
    known = {"subreddit": _SUBREDDITS, "after": ANY_TEXT, "before": ANY_TEXT}
    name, options = split_options(source, text, known)
    path = tools.local_path(source, name)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:
        raise BadSource(source, "its path cannot be read") from error
    if not is_folder and not is_file:
        raise BadSource(source, "there is no such file or folder")
    if is_file and path.suffix.lower() not in DUMP_OPENERS:
        raise BadSource(source, f"a dump ends in one of {', '.join(DUMP_OPENERS)}")
    if is_file and _COMMENTS.fullmatch(path.name):
        raise BadSource(source, "by its name it holds comments, which have no images")
    subreddits = frozenset(filter(None, options.get("subreddit", "").lower().split("+")))
    after, before = read_span(source, options)
    return PushshiftDumpSource(path, DumpFilter(subreddits, after, before))


PUSHSHIFT_DUMP = SourceKind(
    word="pushshift-dump",
    forms=("pushshift-dump:FILE", "pushshift-dump:FOLDER"),
    summary="Posts in dumps of Reddit on this machine; ?subreddit=A+B, ?after= and ?before=.",
    example="pushshift-dump:~/dumps/RS_2024-01.zst?subreddit=EarthPorn",
    parse=_parse,
)
