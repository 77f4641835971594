"""Servers with TLS inside a test, and who calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from lodestone.cli.certs.authority import Authority, Pair
from services.servicekit.server import ServiceDefinition, ServiceServer
from tests.fakes.certificate_files import channel_credentials, issue, write
from tests.fakes.serving import settings_for_tests


class TlsServer:
    """A started server, and channels to it.

    Attributes:
        authority: Whose certificates it believes.
        folder: Its files.
        server: The server.
    """

    def __init__(self, definition: ServiceDefinition, folder: Any, **settings: Any) -> None:
        self.authority = Authority.create()
        self.folder = write(folder, issue(self.authority, "echo"), self.authority)
        self.server = ServiceServer(definition, settings_for_tests(tls=folder, **settings))

    @property
    def address(self) -> str:
        """Its `host:port`."""
        return f"127.0.0.1:{self.server.port}"

    def channel(self, pair: Pair | None, authority: Authority | None = None) -> grpc.aio.Channel:
        """Of somebody who shows this certificate."""
        credentials = channel_credentials(pair, authority or self.authority)
        # A connection of its own, also where another test's channel was as this one.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        return grpc.aio.secure_channel(self.address, credentials, options=options)

    def channel_of(self, word: str) -> grpc.aio.Channel:
        """Of a service, or a person."""
        return self.channel(issue(self.authority, word))


@asynccontextmanager
async def serving_tls(
    definition: ServiceDefinition, folder: Any, **settings: Any
) -> AsyncIterator[TlsServer]:
    """Yields a started server; stops it."""
    one = TlsServer(definition, folder, **settings)
    await one.server.start()
    try:
        yield one
    finally:
        await one.server.stop()
