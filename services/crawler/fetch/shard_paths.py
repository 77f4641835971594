"""Which tar files a name stands for: one file, all of a folder, or those of a pattern such as `s-{0000..0099}.tar`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

SHARD_SUFFIX = ".tar"
SHARDS_MAX = 100_000

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


class TooManyShards(ValueError):
    """A pattern that stands for more than 100,000 files."""


def is_pattern(name: str) -> bool:
    """Whether a name has braces that stand for something."""
    return any(_choices(found[1]) is not None for found in _BRACES.finditer(name))


@lru_cache(maxsize=16)
def pattern_paths(name: str) -> tuple[str, ...]:
    """What a pattern stands for, in its order: `{08..11}` is 08, 09, 10, 11, and `{a,b}` is a, b.

    Raises:
        TooManyShards: It is more than 100,000.
    """
    found = next((one for one in _BRACES.finditer(name) if _choices(one[1]) is not None), None)
    if found is None:
        return (name,)
    before, after = name[: found.start()], name[found.end() :]
    paths: list[str] = []
    rest = pattern_paths(after)
    for choice in _choices(found[1]) or ():
        paths += [f"{before}{choice}{end}" for end in rest]
        if len(paths) > SHARDS_MAX:
            raise TooManyShards
    return tuple(paths)


def _choices(text: str) -> Iterator[str] | None:
    """What may stand in place of braces; None if they are just braces."""
    ends = _RANGE.fullmatch(text)
    if ends is not None:
        width = len(ends[1]) if ends[1].startswith("0") else 1
        return (str(number).zfill(width) for number in range(int(ends[1]), int(ends[2]) + 1))
    return iter(text.split(",")) if "," in text else None


def list_shards(name: str) -> list[Path]:
    """The files that are there, in their order; blocks. Links are left out, and what lies behind one.

    Raises:
        OSError: The folder cannot be read.
        TooManyShards: As `pattern_paths`.
    """
    place = Path(name)
    if place.is_dir():
        with os.scandir(place) as entries:
            found = [place / entry.name for entry in entries if _is_shard(entry)]
        return sorted(found, key=os.fsencode)
    paths = map(Path, pattern_paths(name))
    return [path for path in paths if path.is_file() and path.resolve() == path]


def is_shard_of(name: str, path: Path) -> bool:
    """Whether a file, named without links, is one of those that a name stands for."""
    if str(path) in pattern_paths(name):
        return True
    return path.suffix.lower() == SHARD_SUFFIX and path.parent == Path(name)


def _is_shard(entry: os.DirEntry[str]) -> bool:
    is_visible = entry.name.lower().endswith(SHARD_SUFFIX) and not entry.name.startswith(".")
    return is_visible and entry.is_file(follow_symlinks=False)
