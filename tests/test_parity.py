from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "parity.md"

_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+) \|")


def section(title: str) -> str:
    """What stands under a heading of the page."""
    page = PAGE.read_text(encoding="utf-8")
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_bug_has_its_row():
    """All 28 are there in order, each with a test."""
    rows = [
        _ROW.fullmatch(line)
        for line in section("Bugs left behind").splitlines()
        if line[:3] != "|---"
    ]
    found = [row for row in rows if row]
    assert [int(row[1]) for row in found] == list(range(1, 29))
    without = [int(row[1]) for row in found if not _NAMED.search(row[3])]
    assert without == []


@pytest.mark.parametrize(
    ("path", "name"), sorted(set(_NAMED.findall(PAGE.read_text(encoding="utf-8"))))
)
def test_every_named_test_exists(path: str, name: str):
    """The page leads to a test function of that file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in tree.body if isinstance(node, functions)}


def test_no_browser_is_impersonated():
    """No code has the name of a browser, nor a way round a ban through somebody else's proxy."""
    forbidden = re.compile(r"mozilla|applewebkit|duckduckgo|chrome/|gecko/", re.IGNORECASE)
    for folder in ("lodestone", "services", "samples"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            assert not forbidden.search(path.read_text(encoding="utf-8")), path
