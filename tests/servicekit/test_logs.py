from __future__ import annotations

import json
import sys
import threading

import pytest
import structlog

from services.servicekit.logs import configure_logs


@pytest.fixture(autouse=True)
def _logs_as_before():
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def failure() -> ZeroDivisionError:
    try:
        return 1 / 0
    except ZeroDivisionError as error:
        return error


def test_json_lines_on_stderr(capsys):
    """One object a line, with the service, the level and the time in UTC; stdout stays empty."""
    configure_logs("echo", as_json=True)
    structlog.get_logger().info("started", port=7)
    structlog.get_logger().error("failed", exc_info=failure())

    captured = capsys.readouterr()
    first, second = (json.loads(line) for line in captured.err.splitlines())
    assert captured.out == ""
    assert first["timestamp"].endswith("Z")
    del first["timestamp"]
    assert first == {"event": "started", "port": 7, "service": "echo", "level": "info"}
    assert "ZeroDivisionError: division by zero" in second["exception"]


def test_a_line_of_any_thread_has_the_service(capsys):
    """gRPC's threads and those of a pool know nothing of the context that the process began with."""
    configure_logs("echo", as_json=True)
    thread = threading.Thread(target=lambda: structlog.get_logger().info("read_again"))
    thread.start()
    thread.join()

    assert json.loads(capsys.readouterr().err)["service"] == "echo"


def test_pretty_logs_print_an_exception_plainly(capsys):
    """The traceback is there, without the values of local variables and without a warning."""
    configure_logs("echo", as_json=False)
    structlog.get_logger().error("failed", exc_info=failure())

    text = capsys.readouterr().err
    assert "failed" in text
    assert "ZeroDivisionError: division by zero" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_the_pretty_form(monkeypatch, capsys, terminal):
    """Unless a setting says otherwise."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    configure_logs("echo", as_json=None)
    structlog.get_logger().info("started")

    assert capsys.readouterr().err.startswith("{") != terminal


def test_debug_messages_are_not_printed(capsys):
    """The level is info."""
    configure_logs("echo", as_json=True)
    structlog.get_logger().debug("chatter")

    assert capsys.readouterr().err == ""
