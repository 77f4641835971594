"""Between sinks and the contract."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.crawler.v1 import sink_pb2
from services.crawler.catalogue.sink_reports import SinkReport


def sink_to_message(report: SinkReport) -> sink_pb2.Sink:
    """Writes how a sink does."""
    return sink_pb2.Sink(
        name=report.name,
        kind=report.kind,
        state=_state(report),
        waiting_for=report.waiting_for,
        pending_count=report.pending_count,
        delivered_count=report.delivered_count,
        refused_count=report.refused_count,
        oldest_pending_time=_timestamp(report.oldest_time),
        last_error=report.last_error,
        last_error_time=_timestamp(report.last_error_time),
    )


def _state(report: SinkReport) -> sink_pb2.SinkState.ValueType:
    if not report.configured:
        return sink_pb2.SINK_STATE_UNCONFIGURED
    if report.stopped:
        return sink_pb2.SINK_STATE_STOPPED
    if report.waiting_for:
        return sink_pb2.SINK_STATE_WAITING
    return sink_pb2.SINK_STATE_ACTIVE


def _timestamp(seconds: float | None) -> Timestamp | None:
    if seconds is None:
        return None
    timestamp = Timestamp()
    timestamp.FromNanoseconds(int(seconds * 1e9))
    return timestamp
