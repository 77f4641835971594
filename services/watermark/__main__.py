"""`python -m services.watermark`: reads the settings, loads the detector, serves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lodestone.watermark.v1.watermark_service_pb2_grpc import (
    add_WatermarkServiceServicer_to_server,
)
from services.servicekit.batcher import Batcher, BatchLimits
from services.servicekit.image import Rgb
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.logs import configure_logs
from services.servicekit.metrics import new_registry
from services.servicekit.server import ServiceDefinition, run_service
from services.servicekit.settings import read_settings
from services.watermark.config import WatermarkSettings, find_detector
from services.watermark.detector import Detection, Detector
from services.watermark.detector_folder import load_detector_folder
from services.watermark.servicer import WatermarkServicer

# The contract's 40 MB of images, and room for what is around them.
_MESSAGE_MAX_BYTES = 40_000_000 + 65_536


async def build(settings: WatermarkSettings) -> ServiceDefinition:
    """Loads the detector that the settings name and defines the service.

    Raises:
        Misconfigured: The detector or the backend is not there or not usable.
    """
    folder = load_detector_folder(find_detector(settings.detector, settings.data))
    backend = OnnxRuntimeBackend(folder.model, backend=settings.backend, threads=settings.threads)
    return define(Detector(folder, backend, threshold=settings.threshold), settings)


def define(detector: Detector, settings: WatermarkSettings) -> ServiceDefinition:
    """Wires the service around a loaded detector; inside a running event loop."""
    registry = new_registry()

    def detect_each(inputs: Sequence[Rgb]) -> list[Detection]:
        return detector.detect(np.stack(inputs))

    batcher = Batcher(
        detect_each,
        name="watermark",
        limits=BatchLimits(max_batch=settings.max_batch, queue_limit=settings.queue_limit),
        registry=registry,
    )
    threads = settings.decode_threads or len(os.sched_getaffinity(0))
    decoding = ThreadPoolExecutor(threads, thread_name_prefix="watermark-decode")
    servicer = WatermarkServicer(detector, batcher, decoding=decoding, settings=settings)
    shape = detector.facts.input_shape
    black: Rgb = np.zeros((shape.height_px, shape.width_px, 3), np.uint8)

    async def probe() -> None:
        await batcher.compute_when_room(black)

    async def close() -> None:
        await batcher.close()
        await asyncio.to_thread(decoding.shutdown, cancel_futures=True)

    return ServiceDefinition(
        word="watermark",
        full_name="lodestone.watermark.v1.WatermarkService",
        register=lambda server: add_WatermarkServiceServicer_to_server(servicer, server),
        probe=probe,
        max_message_bytes=_MESSAGE_MAX_BYTES,
        close=close,
        registry=registry,
    )


def main() -> None:
    """Runs the watermark service until SIGTERM or SIGINT."""
    settings = read_settings(WatermarkSettings)
    configure_logs("watermark", as_json=settings.log_json)
    run_service(lambda: build(settings), settings)


if __name__ == "__main__":
    main()
