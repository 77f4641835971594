"""Sources as typed, made absolute."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodestone.cli.crawl_source import absolute_source
from lodestone.cli.errors import WrongUsage


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("photos", "/here/photos"),
        ("./photos/../x", "/here/photos/../x"),
        ("/photos", "/photos"),
        ("folder:photos", "folder:/here/photos"),
        ("urls:/lists/a.csv", "urls:/lists/a.csv"),
        ("urls:https://example.org/list.txt", "urls:https://example.org/list.txt"),
        ("page:https://example.org/", "page:https://example.org/"),
        ("https://example.org/", "https://example.org/"),
        ("reddit:earthporn", "reddit:earthporn"),
    ],
)
def test_local_paths_are_made_absolute_and_nothing_else(typed, sent, monkeypatch):
    """Paths, folder: and urls: take the current folder; URLs and other kinds of source are the crawler's."""
    monkeypatch.setattr(Path, "cwd", classmethod(lambda _: Path("/here")))
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    assert absolute_source(typed) == sent


def test_the_home_folder_is_expanded(monkeypatch):
    """`folder:~/x` is not expanded by a shell."""
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute_source("folder:~/x") == "folder:/home/me/x"


def test_an_empty_source_is_refused():
    """It would be the current folder."""
    with pytest.raises(WrongUsage, match="is empty"):
        absolute_source(" ")
