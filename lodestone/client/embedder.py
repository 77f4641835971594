"""The client of the embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from lodestone.client.message_limit import require_fits
from lodestone.client.multiplexed_stream import MultiplexedStream
from lodestone.client.service_client import UNARY_TIMEOUT_S, OnWait, ServiceClient
from lodestone.client.transport import PLAINTEXT, Transport
from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from lodestone.embedder.v1.encoder_pb2 import Encoder
from lodestone.image.v1.image_pb2 import Image

if TYPE_CHECKING:
    from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceAsyncStub


class EmbedderClient(ServiceClient):
    """Turns images into embeddings. Every method may raise `grpc.aio.AioRpcError`."""

    word: ClassVar[str] = "embedder"
    # The contract's 32 MB of images, and room for what is around them.
    max_message_bytes: ClassVar[int] = 32_000_000 + 65_536

    def __init__(
        self,
        address: str,
        *,
        transport: Transport = PLAINTEXT,
        max_in_flight: int = 64,
        on_wait: OnWait | None = None,
    ) -> None:
        super().__init__(address, transport=transport)
        self._stub: EmbedderServiceAsyncStub = EmbedderServiceStub(self.channel)
        self._stream: MultiplexedStream[
            pb.StreamEmbedImagesRequest, pb.StreamEmbedImagesResponse
        ] = MultiplexedStream(
            self._stub.StreamEmbedImages,
            max_message_bytes=self.max_message_bytes,
            max_in_flight=max_in_flight,
            on_wait=on_wait,
        )
        self._streams.append(self._stream)

    async def get_encoder(self) -> Encoder:
        """The encoder that is served."""
        answer = await self._stub.GetEncoder(pb.GetEncoderRequest(), timeout=UNARY_TIMEOUT_S)
        return answer.encoder

    async def embed_images(self, images: Sequence[Image]) -> list[pb.EmbedResult]:
        """Embeds 1 to 64 images of 32 MB in all; one result each, in order.

        Raises:
            MessageTooLarge: They have more bytes.
        """
        request = pb.EmbedImagesRequest(images=images)
        require_fits(request, self.max_message_bytes)
        answer = await self._stub.EmbedImages(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.results)

    async def embed(self, image: Image) -> pb.EmbedResult:
        """Embeds one image over the shared stream; waits for the server as long as the caller does.

        Raises:
            MessageTooLarge: The image has too many bytes for a message; others on the stream go on.
        """
        answer = await self._stream.call(pb.StreamEmbedImagesRequest(image=image))
        return answer.result
