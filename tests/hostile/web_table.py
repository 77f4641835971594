"""The hostile web cases as a page of the documentation; `python -m tests.hostile.web_table` writes it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from tests.hostile.web_case import WebCase
from tests.hostile.web_cases import WEB_CASES
from tests.hostile.web_run import run_case

PAGE = Path(__file__).parents[2] / "docs" / "hostile-web.md"

_SHOWN_CHARACTERS = 60
_INTRODUCTION = """# Hostile URLs and answers

What strangers can write into a list, what their servers can answer, and what becomes of it: the outcome's reason, or
`FETCHED`. `PASSED` means that the guard lets an address pass that looks like a forbidden one; nothing is dialled.
`RESTING` is no outcome: the host asks to be left alone for longer than a fetch waits, and the listing is given back.
Each row is a test (`tests/hostile/web_cases.py`) that runs a real fetcher against a raw server, a name server and traps
on loopback. For each it is also asserted that nothing but that server and that name server was connected to, that no
trap saw a connection, that the system was asked for no name, that no error went uncaught, and that the outcome came
within its deadline and a second. `python -m tests.hostile.web_table` runs all of them and writes this page.

| # | what | URL | expected | seen |
|---|---|---|---|---|
"""


def table(seen: Mapping[str, str]) -> str:
    """The page; `seen` has the outcome of each case by its number."""
    return _INTRODUCTION + "".join(_row(case, seen[case.number]) for case in WEB_CASES)


def _row(case: WebCase, seen: str) -> str:
    cells = (case.number, case.name, f"`{_shown(case.url)}`", case.expected, seen)
    return f"| {' | '.join(cells)} |\n"


def _shown(url: str) -> str:
    text = url.replace("{port}", "PORT").replace("{trap}", "TRAP")
    escaped = text.encode("unicode_escape").decode() if not text.isprintable() else text
    short = escaped if len(escaped) <= _SHOWN_CHARACTERS else f"{escaped[:_SHOWN_CHARACTERS]}…"
    return short.replace("|", "\\|") or " "


async def _run_all() -> dict[str, str]:
    return {case.number: (await run_case(case)).outcome for case in WEB_CASES}


if __name__ == "__main__":
    PAGE.write_text(table(asyncio.run(_run_all())), encoding="utf-8")
