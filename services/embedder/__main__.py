"""`python -m services.embedder`: reads the settings, loads the encoder, serves."""

from __future__ import annotations

from lodestone.embedder.v1.embedder_service_pb2_grpc import add_EmbedderServiceServicer_to_server
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.embedder.servicer import EmbedderServicer
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.image_queue import ImageQueue
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
    folder = load_encoder_folder(ENCODERS.find(settings.encoder, settings.data))
    backend = OnnxRuntimeBackend(
        folder.read_model(), backend=settings.backend, threads=settings.threads
    )
    encoder = Encoder(folder, backend)
    encoder.warm_up(sorted({2, max(1, settings.max_batch // 2), settings.max_batch}))
    return define(encoder, settings)


def define(encoder: Encoder, settings: EmbedderSettings) -> ServiceDefinition:
    """Wires the service around a loaded encoder; inside a running event loop."""
    registry = new_registry()
    images = ImageQueue(
        lambda inputs: list(encoder.embed(inputs)),
        encoder.facts.input_shape,
        name="embedder",
        settings=settings,
        registry=registry,
    )
    servicer = EmbedderServicer(encoder, images, stream_idle_s=settings.stream_idle_s)
    return ServiceDefinition(
        word="embedder",
        full_name="lodestone.embedder.v1.EmbedderService",
        register=lambda server: add_EmbedderServiceServicer_to_server(servicer, server),
        probe=images.probe,
        max_message_bytes=_MESSAGE_MAX_BYTES,
        close=images.close,
        registry=registry,
    )


def main() -> None:
    """Runs the embedder until SIGTERM or SIGINT."""
    settings = read_settings(EmbedderSettings)
    configure_logs("embedder", as_json=settings.log_json)
    run_service(lambda: build(settings), settings)


if __name__ == "__main__":
    main()
