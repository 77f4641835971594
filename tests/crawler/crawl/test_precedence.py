from __future__ import annotations

import pytest

from services.crawler.crawl.precedence import Precedence


@pytest.fixture
def precedence():
    return Precedence(workers=2)


def test_at_a_host_the_highest_goes_first(precedence):
    """Whoever waits for another host, or has the same priority, is no reason to wait."""
    precedence.wait("a", 5, "c1")
    precedence.wait("b", 9, "c1")
    assert [precedence.goes_first("a", priority) for priority in (4, 5, 6)] == [False, True, True]
    assert precedence.goes_first("c", -100)
    precedence.wait("a", 5, "c1")
    precedence.end_wait("a", 5, "c1")
    assert not precedence.goes_first("a", 4)
    precedence.end_wait("a", 5, "c1")
    assert precedence.goes_first("a", 4)


def test_what_asks_nobody_waits_for_no_host(precedence):
    """Local files, and what is known."""
    precedence.wait("", 5, "c1")
    assert precedence.goes_first("", 4)


def test_where_higher_ones_fill_the_workers_others_wait(precedence):
    """As many as one crawl has; those of the same priority do not count."""
    precedence.begin(3, "c1")
    precedence.begin(1, "c1")
    assert precedence.goes_first("a", 1)
    assert not precedence.goes_first("a", 0)
    assert not precedence.goes_first("", 0)
    precedence.begin(3, "c1")
    assert not precedence.goes_first("a", 1)
    precedence.end(3, "c1")
    precedence.end(1, "c1")
    assert precedence.goes_first("a", 0)


def test_who_is_ahead_is_named(precedence):
    """At the host, or of all that is under way the one of the highest priority."""
    assert precedence.ahead_of("a", 0) is None
    precedence.wait("a", 5, "high")
    precedence.wait("a", 3, "middle")
    assert precedence.ahead_of("a", 0) == "high"
    assert precedence.ahead_of("a", 5) is None
    precedence.begin(2, "middle")
    precedence.begin(4, "highest")
    assert precedence.ahead_of("b", 1) == "highest"
    assert precedence.ahead_of("b", 3) is None
