"""Runs a real server on a free port of loopback inside a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from services.servicekit.server import ServiceDefinition, ServiceServer
from services.servicekit.settings import ServiceSettings


def settings_for_tests(kind: type[ServiceSettings] = ServiceSettings, **changes: Any) -> Any:
    """Settings with free ports and a short drain."""
    return kind(**{"port": 0, "metrics_port": 0, "drain_s": 2.0, **changes})


@asynccontextmanager
async def serving(
    definition: ServiceDefinition, settings: ServiceSettings | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """Yields a channel to a started server; stops both."""
    server = ServiceServer(definition, settings or settings_for_tests())
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
    finally:
        await server.stop()
