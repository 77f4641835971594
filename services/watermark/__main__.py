"""`python -m services.watermark`: reads the settings, loads the detector, serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from lodestone.client import Transport, WatermarkClient
from lodestone.watermark.v1.watermark_service_pb2_grpc import (
    add_WatermarkServiceServicer_to_server,
)
from services.servicekit import callers
from services.servicekit.errors import FailedPrecondition, Unavailable
from services.servicekit.image_metrics import tell_backend
from services.servicekit.image_queue import ImageQueue
from services.servicekit.inference.backend import Backend
from services.servicekit.logs import configure_logs
from services.servicekit.metrics import new_registry
from services.servicekit.server import Probing, ServiceDefinition, run_service
from services.servicekit.settings import read_settings
from services.watermark.config import WatermarkBackend, WatermarkSettings
from services.watermark.detector import Detector
from services.watermark.detector_backend import detector_backend
from services.watermark.detector_folder import DETECTORS, DetectorFolder, load_detector_folder
from services.watermark.head_detector import HeadDetector
from services.watermark.models.quadrant_embedder import QuadrantEmbedder
from services.watermark.servicer import WatermarkServicer


async def build(settings: WatermarkSettings) -> ServiceDefinition:
    """Loads the detector that the settings name and defines the service.

    Raises:
        Misconfigured: The detector or the backend is not there or not usable.
    """
    folder = load_detector_folder(DETECTORS.find(settings.detector, settings.data))
    backend = detector_backend(
        folder, settings.backend, threads=settings.threads, instances=settings.instances
    )
    if settings.backend is WatermarkBackend.EMBEDDER:
        return await _build_head(folder, backend, settings)
    detector = Detector(folder, backend, threshold=settings.threshold)
    buckets = detector.warm_up(settings.max_batch)
    return define(detector, settings.fitted(buckets))


async def _build_head(
    folder: DetectorFolder, head: Backend, settings: WatermarkSettings
) -> ServiceDefinition:
    """Without an embedder the service starts all the same, and is ready once there is one."""
    embedder = QuadrantEmbedder(
        settings.embedder,
        timeout_s=settings.embedder_timeout_s,
        transport=Transport(settings.tls),
    )
    detector = HeadDetector(folder, head, embedder.embed, threshold=settings.threshold)
    try:
        detector.require(await embedder.encoder())
    except Unavailable as error:
        structlog.get_logger().warning("service_away", dependency="embedder", cause=error.cause)
    except FailedPrecondition:
        await embedder.close()
        raise
    # A batch may wait so long for its embedder.
    stuck_s = max(settings.stuck_s, 2 * settings.embedder_timeout_s)
    settings = settings.model_copy(update={"stuck_s": stuck_s})
    return define(detector, settings, close=embedder.close)


def define(
    detector: Detector,
    settings: WatermarkSettings,
    *,
    close: Callable[[], Awaitable[None]] | None = None,
) -> ServiceDefinition:
    """Wires the service around a loaded detector; inside a running event loop.

    Args:
        detector: What judges.
        settings: The service's.
        close: Ends what the detector holds, so that nothing waits for it; before the queue is closed.
    """
    registry = new_registry()
    images = ImageQueue(
        detector.detect,
        detector.facts.input_shape,
        name="watermark",
        settings=settings.with_instances(detector.instances),
        registry=registry,
    )

    tell_backend(
        "watermark",
        registry,
        execution_provider=detector.execution_provider,
        precision="fp32",
        model=detector.facts.name,
    )

    async def end() -> None:
        if close is not None:
            await close()
        await images.close()

    servicer = WatermarkServicer(detector, images, stream_idle_s=settings.stream_idle_s)
    return ServiceDefinition(
        word="watermark",
        full_name="lodestone.watermark.v1.WatermarkService",
        register=lambda server: add_WatermarkServiceServicer_to_server(servicer, server),
        probe=images.probe,
        max_message_bytes=WatermarkClient.max_message_bytes,
        callers={"": (callers.CRAWLER, callers.PERSON)},
        close=end,
        registry=registry,
        probing=_probing(settings),
    )


def _probing(settings: WatermarkSettings) -> Probing:
    """A head that waits for its embedder is not broken."""
    if settings.backend is WatermarkBackend.EMBEDDER:
        return Probing()
    return Probing(every_s=1.0, timeout_s=settings.stuck_s, gives_up_s=settings.gives_up_s)


def main() -> None:
    """Runs the watermark service until SIGTERM or SIGINT."""
    settings = read_settings(WatermarkSettings)
    configure_logs("watermark", as_json=settings.log_json)
    run_service(lambda: build(settings), settings)


if __name__ == "__main__":
    main()
