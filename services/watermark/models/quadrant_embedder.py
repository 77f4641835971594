"""The embedder as a detector sees it: images in, embeddings out, or an error that says it is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import grpc
import numpy as np
import numpy.typing as npt
import structlog

from lodestone.client import EmbedderClient, StreamClosed, Transport
from lodestone.client.transport import PLAINTEXT
from lodestone.embedder.v1 import embedder_service_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from services.servicekit.embedding import Embedding
from services.servicekit.errors import ItemRejected, Unavailable
from services.servicekit.image import Rgb
from services.servicekit.items import answer_items
from services.servicekit.messages import (
    embedding_from_message,
    precision_from_message,
    rejection_from_message,
    rgb_to_image,
)
from services.watermark.head_detector import ServedEncoder

if TYPE_CHECKING:
    from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceAsyncStub

_THE_EMBEDDER: Final = "the embedder"


class QuadrantEmbedder:
    """Embeds images over one stream to the embedder. Belongs to the event loop that it was made in.

    While the embedder is away the stream is opened again and again, for as long as a call lasts.

    Args:
        address: `host:port`.
        timeout_s: How long a batch, or the question which encoder is served, may take.
        transport: How it is reached.
    """

    def __init__(self, address: str, *, timeout_s: float, transport: Transport = PLAINTEXT) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = EmbedderClient(address, transport=transport, on_wait=self._note)
        self._timeout_s = timeout_s
        self._away: str | None = None

    async def encoder(self) -> ServedEncoder:
        """Asks which encoder is served, and waits for an answer.

        Raises:
            Unavailable: There was none in time.
        """
        stub: EmbedderServiceAsyncStub = EmbedderServiceStub(self._client.channel)
        request = embedder_service_pb2.GetEncoderRequest()
        try:
            answer = await stub.GetEncoder(request, timeout=self._timeout_s, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        found = answer.encoder
        return ServedEncoder(found.encoder_id, precision_from_message(found.precision))

    def embed(self, images: npt.NDArray[np.uint8]) -> list[Embedding]:
        """Embeds (n, height, width, 3) uint8 RGB, in their order; called from a thread beside the event loop.

        Raises:
            Unavailable: The embedder is away, too slow, or turns an image away.
        """
        return asyncio.run_coroutine_threadsafe(self._embed_all(images), self._loop).result()

    async def close(self) -> None:
        """Ends the stream; a batch that waits for it is Unavailable."""
        await self._client.close()

    async def _embed_all(self, images: npt.NDArray[np.uint8]) -> list[Embedding]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer_items(list(images), self._embed_one)
        except TimeoutError as error:
            cause = self._away or f"no answer within {self._timeout_s:g} s"
            raise Unavailable(_THE_EMBEDDER, cause) from error
        except StreamClosed as error:
            raise Unavailable(_THE_EMBEDDER, str(error)) from error
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        except ItemRejected as error:
            # The pixels are sound: what turns them away is the embedder's state, not the image's.
            raise Unavailable(_THE_EMBEDDER, f"it rejects a quadrant: {error}") from error

    async def _embed_one(self, rgb: Rgb) -> Embedding:
        result = await self._client.embed(rgb_to_image(rgb))
        if result.HasField("rejection"):
            raise rejection_from_message(result.rejection)
        return embedding_from_message(result.value)

    def _note(self, why: str | None) -> None:
        self._away = why
        if why is None:
            structlog.get_logger().info("service_back", dependency="embedder")
        else:
            structlog.get_logger().warning("service_away", dependency="embedder", cause=why)


def _unavailable(error: grpc.aio.AioRpcError) -> Unavailable:
    details = (error.details() or error.code().name).splitlines()[0]
    return Unavailable(_THE_EMBEDDER, details)
