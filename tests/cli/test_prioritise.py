"""`lodestone prioritise` against a fake crawler."""

from __future__ import annotations

import pytest


@pytest.fixture
def crawled(cli, services):
    """A crawl of two sources; returns the requests that change its priorities."""
    sources = ("reddit:r/EarthPorn", "page:https://h.example/")
    assert cli("crawl", *sources, "--profile", "landscapes", "--detach").status == 0
    return services.crawler.prioritised


def test_one_source(cli, crawled):
    """The table has the highest first."""
    shown = cli("prioritise", "c1", "page:https://h.example/", "--to", "50")
    [request] = crawled
    assert (request.crawl_id, list(request.sources), request.priority) == (
        "c1",
        ["page:https://h.example/"],
        50,
    )
    assert [line.split() for line in shown.out.splitlines()[2:]] == [
        ["page:https://h.example/", "50"],
        ["reddit:r/EarthPorn", "0"],
    ]


def test_all_sources_as_json(cli, crawled):
    """The crawl as it is now."""
    [facts] = cli("prioritise", "c1", "--to", "-100", "--json").objects()
    assert list(crawled[0].sources) == []
    assert [one["priority"] for one in facts["crawl"]["source_statuses"]] == [-100, -100]


def test_nothing_is_changed_unasked(cli, crawled):
    """They are shown."""
    cli("prioritise", "c1", "--to", "3")
    crawled.clear()
    assert [line.split()[-1] for line in cli("prioritise", "c1").out.splitlines()[2:]] == ["3"] * 2
    assert crawled == []


def test_a_path_is_made_absolute(cli, crawled, tmp_path, monkeypatch):
    """The crawler may run in another folder."""
    monkeypatch.chdir(tmp_path)
    cli("prioritise", "c1", "folder:photos", "--to", "1")
    assert list(crawled[0].sources) == [f"folder:{tmp_path}/photos"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("c2", "--to", "1"), 1, "there is no crawl 'c2'"),
        (("c1", "--to", "101"), 2, "less than or equal to 100"),
        (("c1", "/photos"), 2, "--to"),
        (("--to", "1"), 2, "CRAWL"),
    ],
)
def test_what_cannot_be_done_is_one_line(cli, crawled, arguments, status, words):
    """And changes nothing."""
    refused = cli("prioritise", *arguments)
    assert refused.status == status
    assert words in refused.err
    assert len(refused.err.splitlines()) == 1
    assert crawled == []
