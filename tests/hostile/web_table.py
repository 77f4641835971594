"""The hostile web cases as a table."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile.web_case import WebCase
from tests.hostile.web_cases import WEB_CASES
from tests.hostile.web_run import run_case

_SHOWN_CHARACTERS = 60
_HEAD = "| # | what | URL | expected | seen |\n|---|---|---|---|---|\n"


def web_table(seen: Mapping[str, str]) -> str:
    """The table; `seen` has the outcome of each case by its number."""
    return _HEAD + "".join(_row(case, seen[case.number]) for case in WEB_CASES)


async def run_all_web() -> dict[str, str]:
    """The outcome of each case, by its number."""
    return {case.number: (await run_case(case)).outcome for case in WEB_CASES}


def _row(case: WebCase, seen: str) -> str:
    cells = (case.number, case.name, f"`{_shown(case.url)}`", case.expected, seen)
    return f"| {' | '.join(cells)} |\n"


def _shown(url: str) -> str:
    text = url.replace("{port}", "PORT").replace("{trap}", "TRAP")
    escaped = text.encode("unicode_escape").decode() if not text.isprintable() else text
    short = escaped if len(escaped) <= _SHOWN_CHARACTERS else f"{escaped[:_SHOWN_CHARACTERS]}…"
    return short.replace("|", "\\|") or " "
