"""The embedder's face: requests in, results out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import encoder_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceServicer
from lodestone.image.v1 import image_pb2
from services.embedder.config import IMAGES_MAX
from services.embedder.encoder import Encoder
from services.servicekit.batcher import Batcher
from services.servicekit.embedding import Embedding
from services.servicekit.errors import InvalidInput, ItemRejected, Overloaded
from services.servicekit.image import DecodeLimits, Rgb
from services.servicekit.items import answer_items
from services.servicekit.messages import (
    embedding_to_message,
    image_to_rgb,
    precision_to_message,
    rejection_to_message,
)
from services.servicekit.resize import to_input
from services.servicekit.streams import answer_stream

_ID_MAX_CHARS = 128

Vector = npt.NDArray[np.float32]
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class EmbedderLimits:
    """What callers may ask for at once.

    Attributes:
        queue_limit: Images of unary calls that wait at most, whether undecoded or not yet computed.
        stream_idle_s: Ends a stream on which nothing moved for so long, seconds.
        decode: What one encoded image may cost.
    """

    queue_limit: int
    stream_idle_s: float
    decode: DecodeLimits


class EmbedderServicer(EmbedderServiceServicer):
    """Answers EmbedderService. All calls share one batcher; images are decoded in `decoding`."""

    def __init__(
        self,
        encoder: Encoder,
        batcher: Batcher[Rgb, Vector],
        *,
        decoding: Executor,
        limits: EmbedderLimits,
    ) -> None:
        self._encoder = encoder
        self._batcher = batcher
        self._decoding = decoding
        self._limits = limits
        self._unary_images = 0

    async def GetEncoder(
        self, request: pb.GetEncoderRequest, context: Context
    ) -> pb.GetEncoderResponse:
        """Returns the encoder that is served."""
        return pb.GetEncoderResponse(encoder=_encoder_to_message(self._encoder))

    async def EmbedImages(
        self, request: pb.EmbedImagesRequest, context: Context
    ) -> pb.EmbedImagesResponse:
        """Embeds 1 to 64 images, in their order.

        Raises:
            InvalidInput: No images, or more than 64.
            Overloaded: Too many images wait already.
        """
        count = len(request.images)
        if not 1 <= count <= IMAGES_MAX:
            message = f"{count} images; a request has 1 to {IMAGES_MAX}"
            raise InvalidInput(message)
        if self._unary_images + count > self._limits.queue_limit:
            raise Overloaded("embedder", self._limits.queue_limit)
        self._unary_images += count
        try:
            results = await answer_items(request.images, self._embed_now)
        finally:
            self._unary_images -= count
        return pb.EmbedImagesResponse(results=results)

    def StreamEmbedImages(
        self, request_iterator: AsyncIterator[pb.StreamEmbedImagesRequest], context: Context
    ) -> AsyncIterator[pb.StreamEmbedImagesResponse]:
        """Embeds one image per message; a full queue slows the stream down.

        Raises:
            InvalidInput: An id of more than 128 characters.
            IdleStream: Nothing moved for too long.
        """
        return answer_stream(request_iterator, self._answer_one, idle_s=self._limits.stream_idle_s)

    async def _answer_one(
        self, request: pb.StreamEmbedImagesRequest
    ) -> pb.StreamEmbedImagesResponse:
        if len(request.id) > _ID_MAX_CHARS:
            message = f"an id of {len(request.id)} characters; it has at most {_ID_MAX_CHARS}"
            raise InvalidInput(message)
        result = await self._embed(request.image, self._batcher.compute_when_room)
        return pb.StreamEmbedImagesResponse(id=request.id, result=result)

    async def _embed_now(self, image: image_pb2.Image) -> pb.EmbedResult:
        return await self._embed(image, self._batcher.compute_now)

    async def _embed(
        self, image: image_pb2.Image, compute: Callable[[Rgb], Awaitable[Vector]]
    ) -> pb.EmbedResult:
        loop = asyncio.get_running_loop()
        try:
            pixels = await loop.run_in_executor(self._decoding, self._to_input, image)
        except ItemRejected as error:
            return pb.EmbedResult(rejection=rejection_to_message(error))
        values = await compute(pixels)
        embedding = Embedding(values, self._encoder.facts.encoder_id, self._encoder.precision)
        return pb.EmbedResult(value=embedding_to_message(embedding))

    def _to_input(self, image: image_pb2.Image) -> Rgb:
        return to_input(image_to_rgb(image, self._limits.decode), self._encoder.facts.input_shape)


def _encoder_to_message(encoder: Encoder) -> encoder_pb2.Encoder:
    facts = encoder.facts
    return encoder_pb2.Encoder(
        encoder_id=facts.encoder_id,
        name=facts.name,
        dimension=facts.dimension,
        input_width_px=facts.input_width_px,
        input_height_px=facts.input_height_px,
        resize_rule=encoder_pb2.ResizeRule.Value(f"RESIZE_RULE_{facts.resize.name}"),
        precision=precision_to_message(encoder.precision),
        execution_provider=encoder.execution_provider,
        model_sha256=facts.sha256,
    )
