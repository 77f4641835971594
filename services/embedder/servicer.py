"""The embedder's face: requests in, results out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import encoder_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceServicer
from services.embedder.encoder import Encoder
from services.servicekit.computed import Computed
from services.servicekit.embedding import Embedding
from services.servicekit.errors import ItemRejected
from services.servicekit.image_queue import ImageQueue
from services.servicekit.messages import (
    embedding_to_message,
    precision_to_message,
    rejection_to_message,
    size_of,
)
from services.servicekit.streams import answer_stream

Values = npt.NDArray[np.float32]
Context = grpc.aio.ServicerContext[Any, Any]


class EmbedderServicer(EmbedderServiceServicer):
    """Answers EmbedderService. A stream on which nothing moved for `stream_idle_s` seconds ends."""

    def __init__(
        self, encoder: Encoder, images: ImageQueue[Values], *, stream_idle_s: float
    ) -> None:
        self._encoder = encoder
        self._images = images
        self._stream_idle_s = stream_idle_s

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
        results = await self._images.answer_all(request.images, self._result)
        return pb.EmbedImagesResponse(results=results)

    def StreamEmbedImages(
        self, request_iterator: AsyncIterator[pb.StreamEmbedImagesRequest], context: Context
    ) -> AsyncIterator[pb.StreamEmbedImagesResponse]:
        """Embeds one image per message; a full queue slows the stream down.

        Raises:
            InvalidInput: An id of more than 128 characters.
            IdleStream: Nothing moved for too long.
        """
        return answer_stream(
            request_iterator,
            self._answer_one,
            idle_s=self._stream_idle_s,
            shared_room=self._images.stream_room,
            size_of=lambda request: size_of(request.image),
        )

    async def _answer_one(
        self, request: pb.StreamEmbedImagesRequest
    ) -> pb.StreamEmbedImagesResponse:
        result = await self._images.answer_one(request.id, request.image, self._result)
        return pb.StreamEmbedImagesResponse(id=request.id, result=result)

    def _result(self, computed: Computed[Values] | ItemRejected) -> pb.EmbedResult:
        if isinstance(computed, ItemRejected):
            return pb.EmbedResult(rejection=rejection_to_message(computed))
        embedding = Embedding(
            computed.value, self._encoder.facts.encoder_id, self._encoder.precision
        )
        return pb.EmbedResult(value=embedding_to_message(embedding))


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
