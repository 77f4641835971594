"""`python -m services.watermark`: reads the settings, loads the detector, serves."""

from __future__ import annotations

from lodestone.watermark.v1.watermark_service_pb2_grpc import (
    add_WatermarkServiceServicer_to_server,
)
from services.servicekit.image_queue import ImageQueue
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.logs import configure_logs
from services.servicekit.metrics import new_registry
from services.servicekit.server import ServiceDefinition, run_service
from services.servicekit.settings import read_settings
from services.watermark.config import WatermarkSettings
from services.watermark.detector import Detector
from services.watermark.detector_folder import DETECTORS, load_detector_folder
from services.watermark.servicer import WatermarkServicer

# The contract's 40 MB of images, and room for what is around them.
_MESSAGE_MAX_BYTES = 40_000_000 + 65_536


async def build(settings: WatermarkSettings) -> ServiceDefinition:
    """Loads the detector that the settings name and defines the service.

    Raises:
        Misconfigured: The detector or the backend is not there or not usable.
    """
    folder = load_detector_folder(DETECTORS.find(settings.detector, settings.data))
    backend = OnnxRuntimeBackend(folder.model, backend=settings.backend, threads=settings.threads)
    return define(Detector(folder, backend, threshold=settings.threshold), settings)


def define(detector: Detector, settings: WatermarkSettings) -> ServiceDefinition:
    """Wires the service around a loaded detector; inside a running event loop."""
    registry = new_registry()
    images = ImageQueue(
        detector.detect,
        detector.facts.input_shape,
        name="watermark",
        settings=settings,
        registry=registry,
    )
    servicer = WatermarkServicer(detector, images, stream_idle_s=settings.stream_idle_s)
    return ServiceDefinition(
        word="watermark",
        full_name="lodestone.watermark.v1.WatermarkService",
        register=lambda server: add_WatermarkServiceServicer_to_server(servicer, server),
        probe=images.probe,
        max_message_bytes=_MESSAGE_MAX_BYTES,
        close=images.close,
        registry=registry,
    )


def main() -> None:
    """Runs the watermark service until SIGTERM or SIGINT."""
    settings = read_settings(WatermarkSettings)
    configure_logs("watermark", as_json=settings.log_json)
    run_service(lambda: build(settings), settings)


if __name__ == "__main__":
    main()
