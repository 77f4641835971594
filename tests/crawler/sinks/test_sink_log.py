from __future__ import annotations

from structlog.testing import capture_logs

from services.crawler.sinks.sink_log import SinkLog


def test_a_line_a_minute_of_each_kind():
    """However often a receiver comes and goes, and however many it refuses."""
    with capture_logs() as logs:
        log = SinkLog("hook", every_s=60.0)
        for number in range(100):
            log.failed(f"no connection {number}")
            log.back()
            log.refused("HTTP 400", "d" * 64)
            log.broken(ValueError())
    assert [(one["event"], one["sink"]) for one in logs] == [
        ("sink_waits", "hook"),
        ("sink_back", "hook"),
        ("sink_refuses", "hook"),
        ("sink_failed", "hook"),
    ]


def test_counts_are_those_since_the_last_line():
    """None is left out."""
    with capture_logs() as logs:
        log = SinkLog("hook", every_s=0.0)
        for _ in range(2):
            log.failed("no connection")
    assert [one["failed_count"] for one in logs] == [1, 1]
