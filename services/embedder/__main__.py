"""`python -m services.embedder`: reads the settings, loads the encoder, serves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lodestone.embedder.v1.embedder_service_pb2_grpc import add_EmbedderServiceServicer_to_server
from services.embedder.config import EmbedderSettings, find_encoder
from services.embedder.encoder import Encoder
from services.embedder.servicer import EmbedderLimits, EmbedderServicer, Vector
from services.servicekit.batcher import Batcher, BatchLimits
from services.servicekit.encoder_folder import load_encoder_folder
from services.servicekit.image import DecodeLimits, Rgb
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.logs import configure_logs
from services.servicekit.metrics import new_registry
from services.servicekit.server import ServiceDefinition, run_service
from services.servicekit.settings import read_settings

# The contract's 32 MB of images, and room for what is around them.
_MESSAGE_MAX_BYTES = 32_000_000 + 65_536


async def build(settings: EmbedderSettings) -> ServiceDefinition:
    """Loads the encoder that the settings name and defines the service.

    Raises:
        Misconfigured: The encoder or the backend is not there or not usable.
    """
    folder = load_encoder_folder(find_encoder(settings.encoder, settings.data))
    backend = OnnxRuntimeBackend(
        folder.read_model(), backend=settings.backend, threads=settings.threads
    )
    encoder = Encoder(folder, backend)
    encoder.warm_up(sorted({2, max(1, settings.max_batch // 2), settings.max_batch}))
    return define(encoder, settings)


def define(encoder: Encoder, settings: EmbedderSettings) -> ServiceDefinition:
    """Wires the service around a loaded encoder; inside a running event loop."""
    registry = new_registry()

    def embed_each(inputs: Sequence[Rgb]) -> list[Vector]:
        return list(encoder.embed(np.stack(inputs)))

    batcher = Batcher(
        embed_each,
        name="embedder",
        limits=BatchLimits(max_batch=settings.max_batch, queue_limit=settings.queue_limit),
        registry=registry,
    )
    threads = settings.decode_threads or len(os.sched_getaffinity(0))
    decoding = ThreadPoolExecutor(threads, thread_name_prefix="embedder-decode")
    limits = EmbedderLimits(settings.queue_limit, settings.stream_idle_s, DecodeLimits())
    servicer = EmbedderServicer(encoder, batcher, decoding=decoding, limits=limits)
    facts = encoder.facts
    black: Rgb = np.zeros((facts.input_height_px, facts.input_width_px, 3), np.uint8)

    async def probe() -> None:
        await batcher.compute_when_room(black)

    async def close() -> None:
        await batcher.close()
        await asyncio.to_thread(decoding.shutdown, cancel_futures=True)

    return ServiceDefinition(
        word="embedder",
        full_name="lodestone.embedder.v1.EmbedderService",
        register=lambda server: add_EmbedderServiceServicer_to_server(servicer, server),
        probe=probe,
        max_message_bytes=_MESSAGE_MAX_BYTES,
        close=close,
        registry=registry,
    )


def main() -> None:
    """Runs the embedder until SIGTERM or SIGINT."""
    settings = read_settings(EmbedderSettings)
    configure_logs("embedder", as_json=settings.log_json)
    run_service(lambda: build(settings), settings)


if __name__ == "__main__":
    main()
