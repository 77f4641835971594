"""Tar files of images on this machine, as img2dataset writes them and webdataset reads them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from services.crawler.fetch.shard_paths import (
    SHARD_SUFFIX,
    TooManyShards,
    is_pattern,
    list_shards,
    pattern_paths,
)
from services.crawler.fetch.tar_file import WEBDATASET_PREFIX, tar_address
from services.crawler.fetch.tar_members import BrokenTar
from services.crawler.outcome import FetchFailed
from services.crawler.post import Post, PostFlags
from services.crawler.sources.kind import SourceKind, SourceTools
from services.crawler.sources.source import BadSource, Batch, SourceFailed
from services.crawler.sources.tar_samples import Sample, read_samples
from services.crawler.sources.text import clean_text

_BATCH_SAMPLES = 256
# The clock of a network's folder may differ.
_SETTLE_S = 10.0
_TITLES = ("caption", "title", "text", "alt")
_PAGES = ("page_url", "webpage_url")
_LICENCES = ("license", "licence")
_FACTS = (
    "url",
    "key",
    "original_width",
    "original_height",
    "sha256",
    "similarity",
    "punsafe",
    "pwatermark",
    "NSFW",
)


class WebDatasetSource:
    """Lists the images of tar files, one file after the other in the order of their paths.

    A sample is the members in a row that share a key: its images, and what `.json` and `.txt` say of them. A later look
    reads the files that were changed since.
    """

    poll_s = 60.0

    def __init__(self, place: str, *, settle_s: float = _SETTLE_S) -> None:
        """Takes the absolute path of a file, a folder or a pattern; `settle_s` is how far clocks may differ."""
        self._place = place
        self._settle_s = settle_s
        self._log = structlog.get_logger()

    @property
    def uri(self) -> str:
        """`webdataset:` and the absolute path."""
        return f"{WEBDATASET_PREFIX}{self._place}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists samples, 256 at a time; only headers and what describes images is read.

        The cursor holds since when files count as changed, and within a look the file and the offset in it.

        Raises:
            SourceFailed: The folder cannot be read, or none of the files. A file that breaks off is logged and counted.
        """
        at = _Place.read(cursor) or _Place(began=time.time())
        try:
            shards = await asyncio.to_thread(self._shards, at)
        except OSError as error:
            raise SourceFailed(self.uri, error.strerror or str(error)) from error
        problems = []
        for shard in shards:
            offset = at.offset if str(shard) == at.shard else 0
            try:
                async for batch in self._list_shard(shard, offset, at):
                    yield batch
            except SourceFailed as failure:
                problems.append(failure.cause)
                self._log.warning("shard_left_out", source=self.uri, cause=failure.cause)
                yield Batch((), skipped_count=1)
        if problems and len(problems) == len(shards):
            raise SourceFailed(self.uri, problems[0])
        yield Batch((), cursor=_Place(since=at.began - 2 * self._settle_s).write())

    def _shards(self, at: _Place) -> list[Path]:
        shards = list_shards(self._place)
        return [
            shard for shard in shards if str(shard) >= at.shard and _change_time(shard) >= at.since
        ]

    async def _list_shard(
        self, shard: Path, offset: int, at: _Place
    ) -> AsyncGenerator[Batch, None]:
        samples = read_samples(shard, offset)
        while chunk := await asyncio.to_thread(_take, samples):
            posts = tuple(post for sample in chunk.samples for post in _posts(shard, sample))
            skipped = sum(sample.skipped_count for sample in chunk.samples)
            last = chunk.samples[-1].next_offset if chunk.samples else 0
            here = _Place(at.since, at.began, str(shard), last)
            yield Batch(posts, here.write() if last else "", skipped)
            if chunk.problem:
                raise SourceFailed(self.uri, f"{shard}: {chunk.problem}")


@dataclass(frozen=True, slots=True)
class _Place:
    """What a cursor holds.

    Attributes:
        since: Files that were changed before are left out, seconds since 1970.
        began: When the look began that is under way; 0 if none is.
        shard: The file that it is at; those before it are done.
        offset: Where it goes on there.
    """

    since: float = 0.0
    began: float = 0.0
    shard: str = ""
    offset: int = 0

    @classmethod
    def read(cls, cursor: str) -> _Place | None:
        try:
            since, began, shard, offset = json.loads(cursor)
            place = cls(float(since), float(began), str(shard), int(offset))
        except (ValueError, TypeError, RecursionError, OverflowError):
            return None
        return place if place.began else cls(place.since, time.time())

    def write(self) -> str:
        return json.dumps([self.since, self.began, self.shard, self.offset])


@dataclass(frozen=True, slots=True)
class _Chunk:
    samples: list[Sample]
    problem: str = ""


def _take(samples: Iterator[Sample]) -> _Chunk | None:
    """The next samples, and why there are no more, if that is not the file's end; None at its end."""
    taken: list[Sample] = []
    try:
        taken.extend(islice(samples, _BATCH_SAMPLES))
    except (BrokenTar, FetchFailed) as error:
        return _Chunk(taken, str(error))
    except OSError as error:
        return _Chunk(taken, error.strerror or str(error))
    return _Chunk(taken) if taken else None


def _change_time(shard: Path) -> float:
    try:
        facts = shard.stat()
    except OSError:
        return 0.0
    return max(facts.st_ctime, facts.st_mtime)


def _posts(shard: Path, sample: Sample) -> Iterator[Post]:
    facts = sample.facts
    for number, member in enumerate(sample.images):
        yield Post(
            url=tar_address(shard, member),
            post_id=sample.key if number == 0 else f"{sample.key}#{number}",
            title=_word(facts, _TITLES) or clean_text(sample.text) or clean_text(sample.key),
            author=_word(facts, ("author", "artist")),
            page_url=_word(facts, _PAGES),
            licence=_word(facts, _LICENCES),
            flags=PostFlags(over_18=facts.get("NSFW") == "NSFW"),
            facts=_kept(facts),
        )


def _word(facts: Any, names: tuple[str, ...]) -> str:
    return next((clean for name in names if (clean := clean_text(facts.get(name)))), "")


def _kept(facts: Any) -> dict[str, object]:
    return {name: facts[name] for name in _FACTS if isinstance(facts.get(name), str | int | float)}


def _parse(source: str, text: str, tools: SourceTools) -> WebDatasetSource:
    place = tools.local_path(source, text.strip())
    try:
        if place.is_dir() or (place.is_file() and place.suffix.lower() == SHARD_SUFFIX):
            return WebDatasetSource(str(place))
        if not is_pattern(str(place)):
            raise BadSource(source, "there is no such folder or .tar file")
        if not any(path.endswith(SHARD_SUFFIX) for path in pattern_paths(str(place))[:1]):
            raise BadSource(source, "a pattern names .tar files: shard-{0000..0099}.tar")
        # It could lead out of the folder that the crawler may read: only what it stands for does.
        if any(os.pardir in Path(path).parts for path in pattern_paths(str(place))):
            raise BadSource(source, "a pattern leads to no other folder by `..`")
        if not list_shards(str(place)):
            raise BadSource(source, "none of the files that it stands for is there")
    except TooManyShards as error:
        raise BadSource(source, "it stands for more than 100,000 files") from error
    except (OSError, ValueError) as error:
        raise BadSource(source, "its path cannot be read") from error
    return WebDatasetSource(str(place))


WEBDATASET = SourceKind(
    word="webdataset",
    forms=(
        "webdataset:FILE.tar",
        "webdataset:FOLDER",
        "webdataset:shard-{0000..0099}.tar",
        "FILE.tar",
    ),
    summary="The images in tar files, as img2dataset writes them.",
    example="webdataset:~/laion/{00000..00099}.tar",
    parse=_parse,
)
