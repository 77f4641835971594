"""Structured logs on stderr: pretty on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


def configure_logs(service: str, *, as_json: bool | None) -> None:
    """Sets structlog up for the process; `None` chooses JSON unless stderr is a terminal."""
    use_json = not sys.stderr.isatty() if as_json is None else as_json
    renderer: Processor = structlog.dev.ConsoleRenderer(
        exception_formatter=structlog.dev.plain_traceback
    )
    if use_json:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _naming(service),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _naming(service: str) -> Processor:
    """Says which service a line is of: in every thread, where a variable of the context would be in some."""

    def name(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
        entry.setdefault("service", service)
        return entry

    return name
