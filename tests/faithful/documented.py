"""The sources that a page of the documentation shows in its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

_SOURCES = Path(__file__).parents[2] / "docs" / "sources"
_FENCED = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def documented_sources(word):
    """What each `lodestone crawl` of `docs/sources/WORD.md` names, as the shell would give it."""
    commands = "".join(_FENCED.findall((_SOURCES / f"{word}.md").read_text()))
    crawls = [
        shlex.split(line) for line in commands.splitlines() if line.startswith("lodestone crawl ")
    ]
    return [part for crawl in crawls for part in crawl if part.startswith(f"{word}:")]
