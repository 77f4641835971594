"""`lodestone sinks` against a fake crawler."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.crawler.v1 import sink_pb2


@pytest.fixture
def sinks(services):
    """One of each state."""
    services.crawler.sinks = [
        sink_pb2.Sink(
            name="gallery",
            kind="scenery",
            state=sink_pb2.SINK_STATE_WAITING,
            waiting_for="no connection",
            pending_count=1_200,
            delivered_count=34,
            refused_count=2,
            oldest_pending_time=Timestamp(seconds=1_764_000_000),
            last_error="no connection",
            last_error_time=Timestamp(seconds=1_764_000_060),
        ),
        sink_pb2.Sink(name="mirror", kind="folder", state=sink_pb2.SINK_STATE_ACTIVE),
        sink_pb2.Sink(name="old", kind="webhook", state=sink_pb2.SINK_STATE_UNCONFIGURED),
    ]
    return services.crawler.sinks


def test_the_table(cli, sinks):
    """Counts, since when it waits, and the last error; and what to do about refusals."""
    shown = cli("sinks")
    [gallery] = [line for line in shown.out.splitlines() if line.startswith("gallery")]
    cells = ("scenery", "waiting", "1,200", "34", "2", "2025-11-24 16:00 UTC")
    cells += ("2025-11-24 16:01 UTC: no connection",)
    assert all(cell in gallery for cell in cells)
    assert "unconfigured" in shown.out
    assert "lodestone sinks retry SINK" in shown.out


def test_json(cli, sinks):
    """A line a sink; what is absent is null."""
    gallery, mirror, _ = cli("sinks", "--json").objects()
    assert gallery == {
        "sink": "gallery",
        "kind": "scenery",
        "state": "WAITING",
        "waiting_for": "no connection",
        "pending_count": 1_200,
        "delivered_count": 34,
        "refused_count": 2,
        "oldest_pending_time": "2025-11-24T16:00:00Z",
        "last_error": "no connection",
        "last_error_time": "2025-11-24T16:01:00Z",
    }
    assert (mirror["oldest_pending_time"], mirror["last_error_time"]) == (None, None)


def test_no_sinks(cli, services):
    """How to have one."""
    assert "LODESTONE_CRAWLER_SINKS" in cli("sinks").out


def test_retry_and_backfill(cli, sinks):
    """What they did, as a sentence and as JSON."""
    assert cli("sinks", "retry", "gallery").out == (
        "gallery: tried again at once: 1,202 images pending, 2 of them refused before\n"
    )
    assert cli("sinks", "retry", "mirror").out == (
        "mirror: tried again at once: 0 images pending\n"
    )
    assert cli("sinks", "retry", "gallery", "--json").objects() == [
        {"sink": "gallery", "pending_count": 1_202, "retried_count": 2}
    ]
    assert cli("sinks", "backfill", "mirror").out == "mirror: 5 images more to deliver\n"
    assert cli("sinks", "backfill", "mirror", "--json").objects() == [
        {"sink": "mirror", "added_count": 5}
    ]


@pytest.mark.parametrize("command", ["retry", "backfill"])
def test_there_is_no_such_sink(cli, sinks, command):
    """One line."""
    refused = cli("sinks", command, "other")
    assert refused.status == 1
    assert refused.err == "error: there is no sink 'other'\n"
