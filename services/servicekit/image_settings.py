"""The settings of services that compute images with one network."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field

from services.servicekit.inference.buckets import Buckets
from services.servicekit.settings import ServiceSettings

IMAGES_MAX: Final = 64
"""Images of one unary request at most."""

QUEUE_MAX: Final = 65_536
"""Images that may wait at most, whatever is asked for: each is an object or two, with its bytes beside them."""

_QUEUE_BYTES_MAX: Final = 64_000_000_000

_STUCK_BATCHES: Final = 4


class ImageSettings(ServiceSettings):
    """What the embedder and the watermark service have in common; both set their own sizes."""

    def with_instances(self, instances: int) -> Self:
        """These settings with as many batches at once as there can be."""
        return self.model_copy(update={"instances": instances})

    def fitted(self, buckets: Buckets) -> Self:
        """These settings with the batch size that pays, and time for a batch: one that takes seconds is not stuck."""
        batch_s = buckets.seconds[buckets.largest]
        stuck_s = max(self.stuck_s, _STUCK_BATCHES * batch_s)
        return self.model_copy(update={"max_batch": buckets.largest, "stuck_s": stuck_s})

    threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="CPU threads of the network; 0 is one per core that it may use.",
    )
    instances: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Batches that the network computes at once, each with its share of the threads; a GPU "
        "computes one.",
    )
    max_batch: int = Field(
        default=32,
        ge=1,
        le=256,
        description="Images per computation at most; fewer where more are no faster.",
    )
    max_delay_s: float = Field(
        default=0.002,
        ge=0,
        le=1,
        description="How long the first image of a batch waits for others while a computation could begin, seconds.",
    )
    stuck_s: float = Field(
        default=4.0,
        gt=0,
        allow_inf_nan=False,
        description="A computation that takes longer makes the service not ready, seconds; at least four times "
        "what a batch took at the start.",
    )
    gives_up_s: float = Field(
        default=30.0,
        gt=0,
        allow_inf_nan=False,
        description="The process ends, to be started again, when no computation has succeeded for so long, "
        "seconds.",
    )
    queue_limit: int = Field(
        default=1024,
        ge=IMAGES_MAX,
        le=QUEUE_MAX,
        description="Images of unary calls, and images before the network, that wait at most.",
    )
    queue_bytes: int = Field(
        default=256_000_000,
        ge=64_000_000,
        le=_QUEUE_BYTES_MAX,
        description="Bytes of images of unary calls, and as many of streams, that wait or are computed at most.",
    )
    decode_threads: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Threads that decode and resize; 0 is one per core that it may use.",
    )
