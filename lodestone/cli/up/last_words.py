"""Why a process ended, out of what it wrote to its log."""

from __future__ import annotations

import json
import re
from typing import Final

from lodestone.cli.words import one_line

_SERIOUS: Final = frozenset({"error", "critical", "fatal"})
# How the services' logs for people begin: `2026-11-22T10:00:00Z [info     ] serving`.
_CALM_LINE: Final = re.compile(r"\S+ \[(?:debug|info|warning)\s*\]")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


def last_words(text: str) -> str:
    """The line of a log that says why its process ended; empty if none does.

    That is the last line that begins with `error: `, without these words; or else the very last line, if it is an error
    by its level or no line of a structured log at all, as a traceback's last one is. Whatever was logged in passing
    before is no cause.
    """
    lines = [_COLOUR.sub("", line).strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return one_line(errors[-1])
    return one_line(_cause(lines[-1])) if lines else ""


def _cause(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return "" if _CALM_LINE.match(line) else line
    if not isinstance(entry, dict):
        return line
    return str(entry.get("event", "")) if entry.get("level") in _SERIOUS else ""
