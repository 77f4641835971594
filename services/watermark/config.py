"""The watermark service's settings: `LODESTONE_WATERMARK_…`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.servicekit import image_settings


class WatermarkBackend(StrEnum):
    """What computes, by the names that settings use."""

    ONNXRUNTIME = "onnxruntime"
    CUDA = "cuda"
    EMBEDDER = "embedder"


class WatermarkSettings(image_settings.ImageSettings):
    """What the watermark service reads from the environment."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_WATERMARK_")

    port: int = Field(default=50_053, ge=0, le=65_535, description="The gRPC port.")
    metrics_port: int = Field(
        default=60_053, ge=0, le=65_535, description="The port of /metrics; 0 serves no metrics."
    )
    health_port: int = Field(
        default=40_053,
        ge=0,
        le=65_535,
        description="With TLS: the port of health in plaintext, for probes; 0 serves none.",
    )
    backend: WatermarkBackend = Field(
        default=WatermarkBackend.ONNXRUNTIME,
        description="What computes: onnxruntime, cuda, or embedder for a head over its embeddings.",
    )
    embedder: str = Field(
        default="127.0.0.1:50051",
        validation_alias="LODESTONE_EMBEDDER",
        description="The embedder's `host:port`, for the backend embedder.",
    )
    embedder_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=20.0,
        description="How long a batch waits for the embedder before it is UNAVAILABLE, seconds.",
    )
    detector: str = Field(
        default="quadrant-tiles",
        min_length=1,
        description="The name of a detector folder under DATA/artifacts/detectors or among the bundled "
        "ones, or a path (with a `/`) to one.",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Over this probability an image is watermarked; unset: the detector's own.",
    )
    max_batch: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Images per computation at most; fewer where more are no faster.",
    )
    queue_limit: int = Field(
        default=256,
        ge=image_settings.IMAGES_MAX,
        le=image_settings.QUEUE_MAX,
        description="Images of unary calls, and images before the network, that wait at most.",
    )
