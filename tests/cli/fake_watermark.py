"""The watermark service, as the fakes have it."""

from __future__ import annotations

from lodestone.watermark.v1 import detector_pb2, watermark_service_pb2
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceServicer


class FakeWatermark(WatermarkServiceServicer):
    """Sees a faint mark in the last quadrant of everything."""

    def GetDetector(self, request, context):  # noqa: N802 - the contract's name
        detector = detector_pb2.Detector(
            detector_id="d" * 64,
            name="fake",
            threshold=0.5,
            input_width_px=8,
            input_height_px=8,
        )
        return watermark_service_pb2.GetDetectorResponse(detector=detector)

    def DetectWatermarks(self, request, context):  # noqa: N802 - the contract's name
        results = [self._detect(image) for image in request.images]
        return watermark_service_pb2.DetectWatermarksResponse(results=results)

    def StreamDetectWatermarks(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            yield watermark_service_pb2.StreamDetectWatermarksResponse(
                id=request.id, result=self._detect(request.image)
            )

    def _detect(self, image):
        detection = watermark_service_pb2.Detection(
            probability=0.25, quadrant_probabilities=[0.0, 0.0, 0.0, 0.25], threshold=0.5
        )
        return watermark_service_pb2.DetectResult(value=detection)
