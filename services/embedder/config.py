"""The embedder's settings: `LODESTONE_EMBEDDER_…`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.servicekit import image_settings
from services.servicekit.inference.backend import BackendName

_CACHE_MIN_BYTES = 1_000_000


class EmbedderSettings(image_settings.ImageSettings):
    """What the embedder reads from the environment."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_EMBEDDER_")

    port: int = Field(default=50_051, ge=0, le=65_535, description="The gRPC port.")
    metrics_port: int = Field(
        default=60_051, ge=0, le=65_535, description="The port of /metrics; 0 serves no metrics."
    )
    health_port: int = Field(
        default=40_051,
        ge=0,
        le=65_535,
        description="With TLS: the port of health in plaintext, for probes; 0 serves none.",
    )
    backend: BackendName = Field(
        default=BackendName.AUTO,
        description="What computes: onnxruntime, openvino, cuda, or auto for what suits the precision and is there.",
    )
    encoder: str = Field(
        default="efficientnet-lite0",
        min_length=1,
        description="The name of an encoder folder under DATA/artifacts/encoders or among the bundled "
        "ones, or a path (with a `/`) to one.",
    )
    precision: Literal["fp32", "fp16", "bf16"] = Field(
        default="fp32",
        description="The number format that the network computes in: fp32 everywhere, fp16 with cuda, bf16 with "
        "openvino where the CPU has it.",
    )
    cache_bytes: int = Field(
        default=0,
        ge=0,
        description="The size of the file of embeddings that are not computed again, bytes: at least 1,000,000; "
        "0 keeps none.",
    )
    cache_folder: Path | None = Field(
        default=None,
        description="Where that file is, a folder on a local disk (SQLite); unset: DATA/cache.",
    )
    gpu_memory_bytes: int = Field(
        default=0, ge=0, description="What cuda may take of the card; 0 is all of it."
    )

    @field_validator("cache_bytes")
    @classmethod
    def _cache_holds_something(cls, value: int) -> int:
        if 0 < value < _CACHE_MIN_BYTES:
            message = f"a cache has at least {_CACHE_MIN_BYTES:,} bytes; 0 is none"
            raise ValueError(message)
        return value
