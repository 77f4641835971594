"""`python -m services.embedder`: reads the settings, loads the encoder, serves."""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import CollectorRegistry

from lodestone.client import EmbedderClient
from lodestone.embedder.v1.embedder_service_pb2_grpc import add_EmbedderServiceServicer_to_server
from services.embedder.cache.cache_user import CachePlace
from services.embedder.cache.embedding_cache import EmbeddingCache
from services.embedder.cache.embedding_kind import EmbeddingKind
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.embedder.servicer import EmbedderServicer
from services.servicekit import callers
from services.servicekit.embedding import Precision
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.image_metrics import tell_backend
from services.servicekit.image_queue import ImageQueue
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.loading import load_backend
from services.servicekit.logs import configure_logs
from services.servicekit.metrics import new_registry
from services.servicekit.resize import PREPARATION
from services.servicekit.server import Probing, ServiceDefinition, run_service
from services.servicekit.settings import read_settings


async def build(settings: EmbedderSettings) -> ServiceDefinition:
    """Loads the encoder that the settings name and defines the service.

    Raises:
        Misconfigured: The encoder or the backend is not there or not usable.
    """
    folder = load_encoder_folder(ENCODERS.find(settings.encoder, settings.data))
    options = BackendOptions(
        backend=settings.backend,
        precision=Precision(settings.precision.upper()),
        threads=settings.threads,
        instances=settings.instances,
        gpu_memory_bytes=settings.gpu_memory_bytes,
    )
    encoder = Encoder(folder, load_backend(folder.read_model(), options))
    buckets = encoder.warm_up(settings.max_batch)
    structlog.get_logger().info(
        "encoder_loaded",
        encoder=folder.name,
        execution_provider=encoder.execution_provider,
        precision=encoder.precision.lower(),
        instances=encoder.instances,
        max_batch=buckets.largest,
        batch_ms=round(1000 * buckets.seconds[buckets.largest], 1),
    )
    return define(encoder, settings.fitted(buckets))


def define(encoder: Encoder, settings: EmbedderSettings) -> ServiceDefinition:
    """Wires the service around a loaded encoder; inside a running event loop."""
    registry = new_registry()
    cache = _open_cache(encoder, settings, registry)
    images = ImageQueue(
        lambda inputs: list(encoder.embed(inputs)),
        encoder.facts.input_shape,
        name="embedder",
        settings=settings.with_instances(encoder.instances),
        registry=registry,
    )
    if cache is not None:
        images.remember(cache)
    tell_backend(
        "embedder",
        registry,
        execution_provider=encoder.execution_provider,
        precision=encoder.precision.lower(),
        model=encoder.facts.name,
    )

    async def end() -> None:
        try:
            await images.close()
        finally:
            if cache is not None:
                await asyncio.to_thread(cache.close)

    servicer = EmbedderServicer(encoder, images, stream_idle_s=settings.stream_idle_s)
    return ServiceDefinition(
        word="embedder",
        full_name="lodestone.embedder.v1.EmbedderService",
        register=lambda server: add_EmbedderServiceServicer_to_server(servicer, server),
        probe=images.probe,
        max_message_bytes=EmbedderClient.max_message_bytes,
        callers={"": (callers.CRAWLER, callers.WATERMARK, callers.PERSON)},
        close=end,
        registry=registry,
        probing=Probing(every_s=1.0, timeout_s=settings.stuck_s, gives_up_s=settings.gives_up_s),
    )


def _open_cache(
    encoder: Encoder, settings: EmbedderSettings, registry: CollectorRegistry
) -> EmbeddingCache | None:
    if settings.cache_bytes == 0:
        return None
    facts = encoder.facts
    kind = EmbeddingKind(facts.encoder_id, encoder.precision, facts.dimension, PREPARATION)
    folder = settings.cache_folder or settings.data / "cache"
    return EmbeddingCache(CachePlace(folder, settings.cache_bytes), kind, registry)


def main() -> None:
    """Runs the embedder until SIGTERM or SIGINT."""
    settings = read_settings(EmbedderSettings)
    configure_logs("embedder", as_json=settings.log_json)
    run_service(lambda: build(settings), settings)


if __name__ == "__main__":
    main()
