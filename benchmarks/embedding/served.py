"""The embedder as a process of its own, and the clients that ask it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchmarks.embedding.connection import own_connection
from benchmarks.embedding.load import Call, closed_loop
from benchmarks.embedding.rates import Rates
from benchmarks.serving.service_process import ServiceProcess, service_process
from lodestone.client import EmbedderClient
from lodestone.embedder.v1.embedder_service_pb2 import EmbedImagesRequest, EmbedResult
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from lodestone.image.v1.image_pb2 import Image
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.messages import precision_from_message

IN_FLIGHT: Final = 64
"""Unanswered images of a stream, and unary callers at once."""

_READY_S: Final = 300.0
_LOOK_S: Final = 1.0
_UNARY_CONNECTIONS: Final = 4

Result = TypeVar("Result")

if TYPE_CHECKING:
    from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceAsyncStub


class Refused(Exception):
    """The service has not embedded an image; the message says why."""


@dataclass(frozen=True, slots=True)
class ServedEmbedder:
    """A running embedder.

    Attributes:
        process: It.
        clients: Each has one stream, and all one connection.
        stubs: Of unary callers, each with a connection of its own: a server refuses calls beyond 64 of one.
    """

    process: ServiceProcess
    clients: Sequence[EmbedderClient]
    stubs: Sequence[EmbedderServiceAsyncStub]

    async def facts(self) -> dict[str, Any]:
        """What it says that computes."""
        encoder = await self.clients[0].get_encoder()
        precision = precision_from_message(encoder.precision)
        return {"execution_provider": encoder.execution_provider, "precision": precision.lower()}

    async def stream(self, images: Sequence[Image], count: int) -> Rates:
        """Sends so many over the clients' streams, 64 of each in flight."""

        async def call(number: int) -> None:
            client = self.clients[number % len(self.clients)]
            _require(await client.embed(images[number % len(images)]))

        return await self._measured(call, count, IN_FLIGHT * len(self.clients))

    async def unary(self, images: Sequence[Image], count: int) -> Rates:
        """64 callers, who ask for one image each, again and again."""
        return await self._measured(self.unary_call(images), count, IN_FLIGHT)

    def unary_call(self, images: Sequence[Image]) -> Call:
        """Asks for one image in a call of its own."""

        async def call(number: int) -> None:
            request = EmbedImagesRequest(images=[images[number % len(images)]])
            answer = await self.stubs[number % len(self.stubs)].EmbedImages(request)
            for result in answer.results:
                _require(result)

        return call

    async def while_running(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of work that asks the service.

        Raises:
            ServiceEnded: The service has ended: a stream would wait for it to come back.
        """
        task = asyncio.create_task(work)
        try:
            while not task.done():
                self.process.require_running()
                await asyncio.wait([task], timeout=_LOOK_S)
            return task.result()
        finally:
            task.cancel()

    async def _measured(self, call: Call, count: int, callers: int) -> Rates:
        client_s, server_s = time.process_time(), self.process.cpu_s()
        wall_s = await self.while_running(closed_loop(call, count, callers))
        client_s = time.process_time() - client_s
        return Rates.of(count, wall_s, client_s + self.process.cpu_s_since(server_s))


@asynccontextmanager
async def served_embedder(
    encoder: Path, options: BackendOptions, streams: int
) -> AsyncIterator[ServedEmbedder]:
    """Starts the embedder and waits until it serves.

    Args:
        encoder: Its folder.
        options: What computes and in which precision; all else is as the service has it by default.
        streams: How many the clients have together.
    """
    settings = {
        "encoder": str(encoder),
        "backend": options.backend.value,
        "precision": options.precision.lower(),
    }
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(service_process("embedder", settings))
        clients = [
            await stack.enter_async_context(EmbedderClient(process.address)) for _ in range(streams)
        ]
        await _wait_ready(process, clients[0])
        channels = [
            await stack.enter_async_context(own_connection(process.address))
            for _ in range(_UNARY_CONNECTIONS)
        ]
        yield ServedEmbedder(process, clients, [EmbedderServiceStub(one) for one in channels])


async def _wait_ready(process: ServiceProcess, client: EmbedderClient) -> None:
    ready = asyncio.ensure_future(client.channel.channel_ready())
    try:
        async with asyncio.timeout(_READY_S):
            while not ready.done():
                process.require_running()
                await asyncio.wait([ready], timeout=0.5)
    finally:
        ready.cancel()


def _require(result: EmbedResult) -> None:
    if not result.HasField("value"):
        raise Refused(result.rejection.reason)
