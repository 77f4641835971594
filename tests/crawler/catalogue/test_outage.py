from __future__ import annotations

import pytest
import structlog

from services.crawler.catalogue import outage
from services.crawler.catalogue.outage import CatalogueAway, Outage


class Clock:
    """A clock that waiting moves."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.waits = []
        monkeypatch.setattr(outage.time, "monotonic", lambda: self.now)

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        return False


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_one_line_a_minute(clock):
    """The first failure is told at once, then one a minute, then that it is over; waits grow to 5 s."""
    waiting = Outage()
    waiting._ending = clock
    with structlog.testing.capture_logs() as logs:
        while clock.now < 300:
            waiting.wait(CatalogueAway("connection refused"))
        assert waiting.cause == "connection refused"
        waiting.end()
        waiting.end()
    assert clock.waits[:3] == [0.05, 0.1, 0.2]
    assert clock.waits[-1] == 5.0
    assert [log["event"] for log in logs] == ["catalogue_away"] * 4 + ["catalogue_back"]
    assert waiting.cause == ""


def test_an_end_is_not_waited_for():
    """A process that ends waits for nothing."""
    waiting = Outage()
    waiting.give_up()
    with pytest.raises(CatalogueAway, match="the catalogue is unavailable: gone"):
        waiting.wait(CatalogueAway("gone"))
