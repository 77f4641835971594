"""Sources as typed, made absolute."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lodestone.cli.crawl.source import absolute_source, chosen_sources, interval
from lodestone.cli.errors import WrongUsage
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource, PostRules


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


@pytest.mark.parametrize("source", ["folder:~nosuchuser/x", "~nosuchuser/x", "~nosuchuser/x.toml"])
def test_a_home_folder_that_is_not_there_is_named(source):
    """Nobody of that name is on this machine."""
    with pytest.raises(WrongUsage, match=r"~nosuchuser/x.* knows no home folder ~nosuchuser"):
        chosen_sources([source], CrawlSource())


@pytest.mark.parametrize("kind", ["", "folder:", "page:https://h/"])
def test_a_name_that_is_no_text_is_refused(kind):
    """The bytes are shown; they come as Python gets them from the command line."""
    with pytest.raises(WrongUsage) as wrong:
        absolute_source(f"{kind}{os.fsdecode(b'caf' + bytes([0xE9]))}")
    line = str(wrong.value)
    assert line.startswith(
        f"{kind}caf\\udce9 cannot be crawled: its name has bytes that are no UTF-8"
    )
    assert line.encode().decode() == line


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, 1e11, -1.0, 0.5])
def test_a_poll_interval_out_of_range_is_one_sentence(seconds):
    """Whether the contract could hold it or not."""
    with pytest.raises(WrongUsage, match="a poll interval of .* s: give 1 s to 30 days"):
        interval(seconds)


def test_a_poll_interval_within_range():
    """Both ends are fine."""
    assert interval(1.0).seconds == 1
    assert interval(30 * 86_400.0).seconds == 2_592_000


@pytest.mark.parametrize("licence", ["", " ", "???"])
def test_a_licence_without_a_word_is_refused(licence):
    """It would turn every post away."""
    rules = PostRules(licences=["cc0", licence])
    with pytest.raises(WrongUsage, match=r"^page:https://h/: '.*' is no licence: give `cc0`"):
        chosen_sources(["page:https://h/"], CrawlSource(rules=rules))


def test_a_licence_is_any_word():
    """Sources state them in words of their own."""
    rules = PostRules(licences=["cc0", "all-rights-reserved", "CC BY-SA 4.0"])
    [chosen] = chosen_sources(["page:https://h/"], CrawlSource(rules=rules))
    assert chosen.rules == rules


HEAD = '[[source]]\nuri = "page:https://h/"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEAD}poll_s = inf", "source 1: a poll interval of inf s: give 1 s to 30 days"),
        (f"{HEAD}poll_s = nan", "a poll interval of nan s"),
        (f"{HEAD}poll_s = 1e300", "a poll interval of 1e+300 s"),
        (f"{HEAD}poll_s = 0x{'f' * 9_000}", "poll_s cannot be so large a number"),
        (f"{HEAD}poll_s = {'9' * 900}", "poll_s cannot be 999"),
        (f"{HEAD}poll_s = {'9' * 9_000}", "is no TOML file"),
        (f"{HEAD}max_empty_polls = 99999999999", "max_empty_polls cannot be 99999999999"),
        (f"{HEAD}licences = ['']", "source 1: '' is no licence: give `cc0`"),
        ("x=" + "[" * 100_000, "is no TOML file: it is nested too deeply"),
        ('[[source]]\nuri = "folder:~nosuchuser/x"', "knows no home folder ~nosuchuser"),
    ],
)
def test_a_file_that_asks_the_impossible_is_one_line(tmp_path, text, words):
    """The line names the file, and is short."""
    (tmp_path / "sources.toml").write_text(text)
    with pytest.raises(WrongUsage) as wrong:
        chosen_sources([str(tmp_path / "sources.toml")], CrawlSource())
    line = str(wrong.value)
    assert words in line
    assert "\n" not in line
    assert len(line) < 500
