"""What the parts of the novelty service's face share: each answers some of its calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceServicer
from services.novelty.fit.fit_jobs import FitJobs
from services.novelty.scoring import Scorable
from services.novelty.showing.map_jobs import MapJobs
from services.novelty.stored.addition_store import AdditionStore
from services.novelty.stored.profile_cache import ProfileCache
from services.novelty.stored.profile_store import ProfileStore
from services.servicekit.batcher import Batcher

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class NoveltyLimits:
    """What callers may ask for at once.

    Attributes:
        fit_max_embeddings: Embeddings of one fit at most, liked ones and of the background each.
        stream_idle_s: Ends a stream on which nothing moved for so long, seconds.
    """

    fit_max_embeddings: int
    stream_idle_s: float


@dataclass(frozen=True, slots=True)
class NoveltyParts:
    """What the servicer calls."""

    store: ProfileStore
    cache: ProfileCache
    fits: FitJobs
    maps: MapJobs
    batcher: Batcher[Scorable, float]


class PartServicer(NoveltyServiceServicer):
    """Some calls of NoveltyService; a call that no part answers is UNIMPLEMENTED."""

    def __init__(self, parts: NoveltyParts, limits: NoveltyLimits) -> None:
        self._store = parts.store
        self._cache = parts.cache
        self._fits = parts.fits
        self._maps = parts.maps
        self._additions = AdditionStore(parts.store)
        self._batcher = parts.batcher
        self._limits = limits
