"""The client of the watermark service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from lodestone.client.message_limit import require_fits
from lodestone.client.multiplexed_stream import MultiplexedStream
from lodestone.client.service_client import UNARY_TIMEOUT_S, OnWait, ServiceClient
from lodestone.client.transport import PLAINTEXT, Transport
from lodestone.image.v1.image_pb2 import Image
from lodestone.watermark.v1 import watermark_service_pb2 as pb
from lodestone.watermark.v1.detector_pb2 import Detector
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceStub

if TYPE_CHECKING:
    from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceAsyncStub


class WatermarkClient(ServiceClient):
    """Says how likely images carry a watermark. Every method may raise `grpc.aio.AioRpcError`."""

    word: ClassVar[str] = "watermark"
    # The contract's 40 MB of images, and room for what is around them.
    max_message_bytes: ClassVar[int] = 40_000_000 + 65_536

    def __init__(
        self,
        address: str,
        *,
        transport: Transport = PLAINTEXT,
        max_in_flight: int = 64,
        on_wait: OnWait | None = None,
    ) -> None:
        super().__init__(address, transport=transport)
        self._stub: WatermarkServiceAsyncStub = WatermarkServiceStub(self.channel)
        self._stream: MultiplexedStream[
            pb.StreamDetectWatermarksRequest, pb.StreamDetectWatermarksResponse
        ] = MultiplexedStream(
            self._stub.StreamDetectWatermarks,
            max_message_bytes=self.max_message_bytes,
            max_in_flight=max_in_flight,
            on_wait=on_wait,
        )
        self._streams.append(self._stream)

    async def get_detector(self) -> Detector:
        """The detector that is served."""
        answer = await self._stub.GetDetector(pb.GetDetectorRequest(), timeout=UNARY_TIMEOUT_S)
        return answer.detector

    async def detect_watermarks(self, images: Sequence[Image]) -> list[pb.DetectResult]:
        """Judges 1 to 64 images of 40 MB in all; one result each, in order.

        Raises:
            MessageTooLarge: They have more bytes.
        """
        request = pb.DetectWatermarksRequest(images=images)
        require_fits(request, self.max_message_bytes)
        answer = await self._stub.DetectWatermarks(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.results)

    async def detect(self, image: Image) -> pb.DetectResult:
        """Judges one image over the shared stream; waits for the server as long as the caller does.

        Raises:
            MessageTooLarge: The image has too many bytes for a message; others on the stream go on.
        """
        answer = await self._stream.call(pb.StreamDetectWatermarksRequest(image=image))
        return answer.result
