"""`lodestone crawls` against a fake crawler."""

from __future__ import annotations

import pytest

from lodestone.crawler.v1 import crawl_pb2


@pytest.fixture
def running(cli, services):
    """A crawl that somebody started, and nobody watches."""
    sources = ("reddit:r/EarthPorn", "page:https://h.example/", "commons:Category:Lakes")
    assert cli("crawl", *sources, "--profile", "landscapes", "--detach").status == 0


def test_none(cli, services):
    """That is said, with how to begin."""
    assert "no crawls yet" in cli("crawls").out
    assert cli("crawls", "--json").out == ""


def test_they_are_listed(cli, services, running):
    """With the id that other commands take, and why one waits."""
    services.crawler.current.state_reason = "waiting for the store"
    services.crawler.current.progress.verdict_counts.add(verdict=1, count=1200)
    head, _, row = cli("crawls").out.splitlines()
    assert head.split()[:3] == ["crawl", "state", "profile"]
    assert row.split()[:6] == ["c1", "running", "landscapes@1", "0", "0", "1,200"]
    assert "reddit:r/EarthPorn and 2 others" in row
    assert row.rstrip().endswith("waiting for the store")


def test_as_json(cli, running):
    """As `lodestone crawl` prints one."""
    [facts] = cli("crawls", "--json").objects()
    assert (facts["crawl"]["crawl_id"], facts["crawl"]["state"]) == ("c1", "RUNNING")
    assert len(facts["crawl"]["sources"]) == 3


@pytest.mark.parametrize(
    ("word", "state"), [("pause", "PAUSED"), ("resume", "RUNNING"), ("cancel", "CANCELLED")]
)
def test_one_is_told_what_to_do(cli, services, running, word, state):
    """From any terminal; the answer is its state."""
    assert cli("crawls", word, "c1").out == f"crawl c1: {state.lower()}\n"
    assert services.crawler.current.state == getattr(crawl_pb2, f"CRAWL_STATE_{state}")
    [facts] = cli("crawls", word, "c1", "--json").objects()
    assert facts["crawl"]["state"] == state


def test_there_is_none_of_that_id(cli, running):
    """One line."""
    refused = cli("crawls", "resume", "c9")
    assert (refused.status, refused.err) == (1, "error: there is no crawl 'c9'\n")
