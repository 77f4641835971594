"""A real grpc.aio server on a free port, with a servicer whose behaviour each test scripts."""

from __future__ import annotations

import contextlib

import grpc
import pytest

from lodestone.embedder.v1 import embedder_service_pb2_grpc as grpc_stubs


@pytest.fixture
async def serve_at():
    """A function that starts a server with the given servicer and returns its address."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(servicer):
            server = grpc.aio.server()
            grpc_stubs.add_EmbedderServiceServicer_to_server(servicer, server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            stack.push_async_callback(server.stop, None)
            return f"127.0.0.1:{port}"

        yield start


@pytest.fixture
async def serve(serve_at):
    """A function that starts a server with the given servicer and returns a channel to it."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(servicer):
            address = await serve_at(servicer)
            return await stack.enter_async_context(grpc.aio.insecure_channel(address))

        yield start
