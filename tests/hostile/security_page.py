"""The tables of docs/security.md; `python -m tests.hostile.security_page` runs all cases and writes them anew."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import structlog

from tests.hostile.image_table import image_table, run_all_images
from tests.hostile.web_table import run_all_web, web_table

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def table_in_page(name: str) -> str:
    """What stands between a table's two marks."""
    return _table(name, PAGE.read_text(encoding="utf-8"))[2]


def _table(name: str, page: str) -> re.Match[str]:
    pattern = rf"(<!-- {name} -->\n\n)(.*?)(\n<!-- end of {name} -->)"
    found = re.search(pattern, page, re.DOTALL)
    assert found is not None, f"docs/security.md has no table of {name}"
    return found


def _write(name: str, table: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = _table(name, page)
    PAGE.write_text(page[: found.start(2)] + table + page[found.end(2) :], encoding="utf-8")


def main() -> None:
    """Runs all cases."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    _write("web", web_table(asyncio.run(run_all_web())))
    _write("images", image_table(asyncio.run(run_all_images())))


if __name__ == "__main__":
    main()
