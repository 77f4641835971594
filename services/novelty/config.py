"""The settings of the novelty service: `LODESTONE_NOVELTY_…`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.servicekit.settings import ServiceSettings


class NoveltySettings(ServiceSettings):
    """What the novelty service reads from the environment."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_NOVELTY_", extra="ignore")

    port: int = Field(default=50_052, ge=0, le=65_535, description="The gRPC port.")
    metrics_port: int = Field(
        default=60_052, ge=0, le=65_535, description="The port of /metrics; 0 serves no metrics."
    )
    health_port: int = Field(
        default=40_052,
        ge=0,
        le=65_535,
        description="With TLS: the port of health in plaintext, for probes; 0 serves none.",
    )
    fit_max_embeddings: int = Field(
        default=300_000,
        ge=8,
        le=10_000_000,
        description="Embeddings that one fit takes at most: so many liked, and so many of a background.",
    )
    fit_limit: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Fits at work or waiting at most; more are told to come again.",
    )
    map_limit: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Maps at work or waiting at most; more are told to come again.",
    )
    cache_mb: int = Field(
        default=1024,
        ge=1,
        le=1_000_000,
        description="Memory for profiles that were used lately, MB.",
    )
