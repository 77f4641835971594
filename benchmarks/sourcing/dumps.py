"""Dumps of made-up posts, as the public ones are: one object a line, keys sorted, one frame of Zstandard."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import orjson
from backports import zstd

from benchmarks.sourcing.reddit_posts import RedditPosts

_SEED = 2027
# 2024-12-01.
FIRST_TIME = 1_733_011_200
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump on this machine.

    Attributes:
        path: The file.
        posts: How many.
        size_bytes: Decompressed.
        first_subreddit: That of the first post.
    """

    path: Path
    posts: int
    size_bytes: int
    first_subreddit: str


def make_dump(posts: int, window_log: int) -> Dump:
    """A day of so many posts; drawn once, then kept in the folder for temporary files.

    Args:
        posts: How many.
        window_log: Of the frame: the window that reading it needs has two to the power of so many bytes.
    """
    path = Path(tempfile.gettempdir()) / f"lodestone-bench-RS-{_SEED}-{posts}-{window_log}.zst"
    facts = path.with_suffix(".json")
    if not facts.exists():
        size_bytes, subreddit = _write(path, posts, window_log)
        made = Dump(path, posts, size_bytes, subreddit)
        facts.write_text(json.dumps(asdict(made), default=str))
    found = json.loads(facts.read_text())
    return Dump(Path(found["path"]), found["posts"], found["size_bytes"], found["first_subreddit"])


def _write(path: Path, posts: int, window_log: int) -> tuple[int, str]:
    options = {
        zstd.CompressionParameter.compression_level: 3,
        zstd.CompressionParameter.window_log: window_log,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    size_bytes, subreddit = 0, ""
    with zstd.open(path, "wb", options={int(key): value for key, value in options.items()}) as file:
        for lines, name in _chunks(posts):
            file.write(lines)
            size_bytes += len(lines)
            subreddit = subreddit or name
    return size_bytes, subreddit


def _chunks(posts: int) -> Iterator[tuple[bytes, str]]:
    day = islice(RedditPosts(seed=_SEED, first_time=FIRST_TIME, per_day=posts), posts)
    options = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    while chunk := list(islice(day, _AT_ONCE)):
        yield b"".join(orjson.dumps(post, option=options) for post in chunk), chunk[0]["subreddit"]
