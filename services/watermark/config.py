"""The watermark service's settings: `LODESTONE_WATERMARK_…`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.servicekit import image_settings


class WatermarkSettings(image_settings.ImageSettings):
    """What the watermark service reads from the environment."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_WATERMARK_")

    port: int = Field(default=50_053, ge=0, le=65_535, description="The gRPC port.")
    metrics_port: int = Field(
        default=60_053, ge=0, le=65_535, description="The port of /metrics; 0 serves no metrics."
    )
    detector: str = Field(
        default="quadrant-head",
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
    max_batch: int = Field(default=8, ge=1, le=64, description="Images per computation at most.")
    queue_limit: int = Field(
        default=256,
        ge=image_settings.IMAGES_MAX,
        description="Images of unary calls, and images before the network, that wait at most.",
    )
