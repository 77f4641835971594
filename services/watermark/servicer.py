"""The watermark service's face: requests in, results out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from lodestone.image.v1 import verdict_pb2
from lodestone.watermark.v1 import detector_pb2
from lodestone.watermark.v1 import watermark_service_pb2 as pb
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceServicer
from services.servicekit.computed import Computed
from services.servicekit.errors import ItemRejected
from services.servicekit.image_queue import ImageQueue
from services.servicekit.messages import rejection_to_message, size_of
from services.servicekit.streams import answer_stream
from services.watermark.detector import Detection, Detector

Context = grpc.aio.ServicerContext[Any, Any]


class WatermarkServicer(WatermarkServiceServicer):
    """Answers WatermarkService. A stream on which nothing moved for `stream_idle_s` seconds ends."""

    def __init__(
        self, detector: Detector, images: ImageQueue[Detection], *, stream_idle_s: float
    ) -> None:
        self._detector = detector
        self._images = images
        self._stream_idle_s = stream_idle_s

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
            encoder_id=facts.encoder.encoder_id if facts.encoder else "",
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
        results = await self._images.answer_all(request.images, self._result)
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
            request_iterator,
            self._answer_one,
            idle_s=self._stream_idle_s,
            shared_room=self._images.stream_room,
            size_of=lambda request: size_of(request.image),
        )

    async def _answer_one(
        self, request: pb.StreamDetectWatermarksRequest
    ) -> pb.StreamDetectWatermarksResponse:
        result = await self._images.answer_one(request.id, request.image, self._result)
        return pb.StreamDetectWatermarksResponse(id=request.id, result=result)

    def _result(self, computed: Computed[Detection] | ItemRejected) -> pb.DetectResult:
        if isinstance(computed, ItemRejected):
            return pb.DetectResult(rejection=rejection_to_message(computed))
        detection = computed.value
        marked = detection.watermarked
        value = pb.Detection(
            probability=detection.probability,
            quadrant_probabilities=detection.quadrant_probabilities,
            verdict=verdict_pb2.VERDICT_WATERMARKED if marked else verdict_pb2.VERDICT_ACCEPTED,
            threshold=detection.threshold,
            upscaled=self._detector.facts.input_shape.enlarges(
                computed.width_px, computed.height_px
            ),
        )
        return pb.DetectResult(value=value)
