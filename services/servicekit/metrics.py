"""Prometheus metrics that every service has, and the port that shows them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.process_collector import ProcessCollector

from services.servicekit.errors import Misconfigured

_SILENCE_S: Final = 10.0


class RpcMetrics:
    """Counts calls and their seconds by method and status code."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            f"lodestone_{service}_calls", "Calls by method and status code.", ["method", "code"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            f"lodestone_{service}_call_seconds", "Seconds per call.", ["method"], registry=registry
        )

    def observe(self, method: str, code: str, seconds: float) -> None:
        """Counts one call of `/package.Service/Method`."""
        name = method.rpartition("/")[2]
        self._calls.labels(name, code).inc()
        self._seconds.labels(name).observe(seconds)


def new_registry() -> CollectorRegistry:
    """A registry of one process, with its memory, CPU and file descriptors."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def serve_metrics(registry: CollectorRegistry, *, host: str, port: int) -> None:
    """Serves /metrics in a thread; port 0 serves nothing.

    Raises:
        Misconfigured: The port is in use.
    """
    if port == 0:
        return
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        message = f"cannot serve metrics on {host}:{port}: {error.strerror or error}"
        raise Misconfigured(message) from error
    server.RequestHandlerClass = _impatient(server.RequestHandlerClass)


def _impatient(handler: Any) -> type[Any]:
    """The handler, whose thread a connection on which nothing comes keeps for some seconds alone."""

    class Impatient(handler):  # type: ignore[misc]  # whatever the library's is
        timeout = _SILENCE_S

        def handle(self) -> None:
            with suppress(TimeoutError):
                super().handle()

    return Impatient
