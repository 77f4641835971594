"""The hostile images as a table."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile.image_case import ImageCase
from tests.hostile.image_cases import IMAGE_CASES
from tests.hostile.image_run import image_run

_HEAD = "| # | image | expected | seen |\n|---|---|---|---|\n"


def image_table(seen: Mapping[str, str]) -> str:
    """The table; `seen` has the outcome of each case by its number."""
    return _HEAD + "".join(_row(case, seen[case.number]) for case in IMAGE_CASES)


async def run_all_images() -> dict[str, str]:
    """The outcome of each case, by its number."""
    seen = {}
    for wall_s in sorted({case.wall_s for case in IMAGE_CASES}):
        async with image_run(wall_s=wall_s) as run:
            for case in IMAGE_CASES:
                if case.wall_s == wall_s:
                    seen[case.number] = (await run.run(case)).outcome
    return seen


def _row(case: ImageCase, seen: str) -> str:
    return f"| {case.number} | {case.name} | {case.expected} | {seen} |\n"
