"""The watermark service's face: requests in, results out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

import grpc

from lodestone.image.v1 import image_pb2, verdict_pb2
from lodestone.watermark.v1 import detector_pb2
from lodestone.watermark.v1 import watermark_service_pb2 as pb
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceServicer
from services.servicekit.batcher import Batcher
from services.servicekit.errors import InvalidInput, ItemRejected, Overloaded
from services.servicekit.image import DecodeLimits, Rgb
from services.servicekit.items import answer_items
from services.servicekit.messages import image_to_rgb, rejection_to_message
from services.servicekit.resize import to_input
from services.servicekit.streams import answer_stream
from services.watermark.config import IMAGES_MAX, WatermarkSettings
from services.watermark.detector import Detection, Detector

_ID_MAX_CHARS = 128

Context = grpc.aio.ServicerContext[Any, Any]


class WatermarkServicer(WatermarkServiceServicer):
    """Answers WatermarkService. All calls share one batcher; images are decoded in `decoding`."""

    def __init__(
        self,
        detector: Detector,
        batcher: Batcher[Rgb, Detection],
        *,
        decoding: Executor,
        settings: WatermarkSettings,
    ) -> None:
        self._detector = detector
        self._batcher = batcher
        self._decoding = decoding
        self._settings = settings
        self._decode_limits = DecodeLimits()
        self._unary_images = 0

    async def GetDetector(
        self, request: pb.GetDetectorRequest, context: Context
    ) -> pb.GetDetectorResponse:
        """Returns the detector that is served."""
        facts = self._detector.facts
        detector = detector_pb2.Detector(
            detector_id=facts.detector_id,
            name=facts.name,
            input_width_px=facts.input_width_px,
            input_height_px=facts.input_height_px,
            threshold=self._detector.threshold,
            execution_provider=self._detector.execution_provider,
        )
        return pb.GetDetectorResponse(detector=detector)

    async def DetectWatermarks(
        self, request: pb.DetectWatermarksRequest, context: Context
    ) -> pb.DetectWatermarksResponse:
        """Judges 1 to 64 images, in their order.

        Raises:
            InvalidInput: No images, or more than 64.
            Overloaded: Too many images wait already.
        """
        count = len(request.images)
        if not 1 <= count <= IMAGES_MAX:
            message = f"{count} images; a request has 1 to {IMAGES_MAX}"
            raise InvalidInput(message)
        if self._unary_images + count > self._settings.queue_limit:
            raise Overloaded("watermark", self._settings.queue_limit)
        self._unary_images += count
        try:
            results = await answer_items(request.images, self._detect_now)
        finally:
            self._unary_images -= count
        return pb.DetectWatermarksResponse(results=results)

    def StreamDetectWatermarks(
        self, request_iterator: AsyncIterator[pb.StreamDetectWatermarksRequest], context: Context
    ) -> AsyncIterator[pb.StreamDetectWatermarksResponse]:
        """Judges one image per message; a full queue slows the stream down.

        Raises:
            InvalidInput: An id of more than 128 characters.
            IdleStream: Nothing moved for too long.
        """
        return answer_stream(
            request_iterator, self._answer_one, idle_s=self._settings.stream_idle_s
        )

    async def _answer_one(
        self, request: pb.StreamDetectWatermarksRequest
    ) -> pb.StreamDetectWatermarksResponse:
        if len(request.id) > _ID_MAX_CHARS:
            message = f"an id of {len(request.id)} characters; it has at most {_ID_MAX_CHARS}"
            raise InvalidInput(message)
        result = await self._detect(request.image, self._batcher.compute_when_room)
        return pb.StreamDetectWatermarksResponse(id=request.id, result=result)

    async def _detect_now(self, image: image_pb2.Image) -> pb.DetectResult:
        return await self._detect(image, self._batcher.compute_now)

    async def _detect(
        self, image: image_pb2.Image, compute: Callable[[Rgb], Awaitable[Detection]]
    ) -> pb.DetectResult:
        loop = asyncio.get_running_loop()
        try:
            pixels = await loop.run_in_executor(self._decoding, self._to_input, image)
        except ItemRejected as error:
            return pb.DetectResult(rejection=rejection_to_message(error))
        return pb.DetectResult(value=_detection_to_message(await compute(pixels)))

    def _to_input(self, image: image_pb2.Image) -> Rgb:
        return to_input(image_to_rgb(image, self._decode_limits), self._detector.facts.input_shape)


def _detection_to_message(detection: Detection) -> pb.Detection:
    marked = detection.watermarked
    return pb.Detection(
        probability=detection.probability,
        quadrant_probabilities=detection.quadrant_probabilities,
        verdict=verdict_pb2.VERDICT_WATERMARKED if marked else verdict_pb2.VERDICT_ACCEPTED,
        threshold=detection.threshold,
    )
