from __future__ import annotations

import socket
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.servicekit import metrics
from services.servicekit.errors import Misconfigured
from tests.fakes.ports import free_port


def test_calls_are_counted_under_the_services_word():
    """By the method's own name, without its package."""
    registry = CollectorRegistry()
    rpc = metrics.RpcMetrics("echo", registry)
    rpc.observe("/lodestone.echo.v1.EchoService/Unary", "OK", 0.25)
    rpc.observe("/lodestone.echo.v1.EchoService/Unary", "OK", 0.75)

    labels = {"method": "Unary", "code": "OK"}
    assert registry.get_sample_value("lodestone_echo_calls_total", labels) == 2
    seconds = registry.get_sample_value("lodestone_echo_call_seconds_sum", {"method": "Unary"})
    assert seconds == pytest.approx(1.0)


def test_a_registry_knows_its_process():
    """Memory, CPU and files; two registries in one process do not clash."""
    first, second = metrics.new_registry(), metrics.new_registry()

    assert first is not second
    assert b"process_resident_memory_bytes" in generate_latest(first)
    assert b"process_open_fds" in generate_latest(second)


def test_a_port_in_use_stops_the_start():
    """With the address in the sentence."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"metrics on 127.0.0.1:{port}: Address already"):
            metrics.serve_metrics(CollectorRegistry(), host="127.0.0.1", port=port)


def test_a_silent_connection_is_closed(monkeypatch, capfd):
    """Its thread ends; whoever asks is answered."""
    monkeypatch.setattr(metrics, "_SILENCE_S", 0.2)
    port = free_port()
    metrics.serve_metrics(metrics.new_registry(), host="127.0.0.1", port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"process_open_fds" in answer.read()
    for sent in (b"", b"GET /metr"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
            silent.sendall(sent)
            assert silent.recv(1) == b""
    assert capfd.readouterr().err == ""


def test_port_0_serves_nothing(monkeypatch):
    """It is how tests and people turn metrics off."""

    def unreached(*_: object, **__: object) -> None:
        message = "nothing is served"
        raise AssertionError(message)

    monkeypatch.setattr(metrics, "start_http_server", unreached)

    metrics.serve_metrics(CollectorRegistry(), host="127.0.0.1", port=0)
