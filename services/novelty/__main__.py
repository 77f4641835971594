"""`python -m services.novelty`: reads the settings, opens the folder of profiles, serves."""

from __future__ import annotations

from importlib.metadata import version

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from lodestone.client import NoveltyClient
from lodestone.novelty.v1.novelty_service_pb2_grpc import add_NoveltyServiceServicer_to_server
from services.novelty.config import NoveltySettings
from services.novelty.fit.fit_jobs import FitJobs
from services.novelty.fit.fitting import learn
from services.novelty.rpc.part_servicer import NoveltyLimits, NoveltyParts
from services.novelty.scoring import compute_log_likelihoods, known_answer
from services.novelty.servicer import NoveltyServicer
from services.novelty.showing.embedding_map import map_embeddings
from services.novelty.showing.map_jobs import MapJobs
from services.novelty.stored.profile_cache import ProfileCache
from services.novelty.stored.profile_store import ProfileStore
from services.servicekit import callers
from services.servicekit.batcher import Batcher, BatchLimits
from services.servicekit.logs import configure_logs
from services.servicekit.metrics import new_registry
from services.servicekit.server import ServiceDefinition, run_service
from services.servicekit.settings import read_settings

_BATCH_MAX = 64

# A crawler reads and scores; a taste is a person's to make and to change.
_CALLERS = {
    "": (callers.CRAWLER, callers.PERSON),
    "FitProfile": (callers.PERSON,),
    "UpdateProfile": (callers.PERSON,),
    "DeleteProfile": (callers.PERSON,),
    "PutThumbnails": (callers.PERSON,),
}


async def build(settings: NoveltySettings) -> ServiceDefinition:
    """Opens the folder of profiles and defines the service; inside a running event loop.

    Raises:
        Misconfigured: The folder cannot be made or written to.
    """
    registry = new_registry()
    libraries = {name: version(name) for name in ("numpy", "scikit-learn")}
    store = ProfileStore(settings.data / "artifacts" / "profiles", libraries=libraries)
    cache = ProfileCache(store, limit_bytes=settings.cache_mb * 1_000_000)
    max_liked = settings.fit_max_embeddings
    fits = FitJobs(store, learn, limit=settings.fit_limit, max_liked=max_liked)
    maps = MapJobs(map_embeddings, limit=settings.map_limit)
    batcher = Batcher(
        compute_log_likelihoods,
        name="novelty",
        limits=BatchLimits(max_batch=_BATCH_MAX, max_delay_s=0.0),
        registry=registry,
    )
    limits = NoveltyLimits(settings.fit_max_embeddings, settings.stream_idle_s)
    servicer = NoveltyServicer(NoveltyParts(store, cache, fits, maps, batcher), limits)

    question, expected = known_answer()

    async def probe() -> None:
        found = await batcher.compute_when_room(question)
        if not abs(found - expected) < 1e-9:
            raise RuntimeError(f"the known mixture gives {found}, not {expected}")

    async def close() -> None:
        await fits.close()
        await maps.close()
        await batcher.close()

    return ServiceDefinition(
        word="novelty",
        full_name="lodestone.novelty.v1.NoveltyService",
        register=lambda server: add_NoveltyServiceServicer_to_server(servicer, server),
        probe=probe,
        max_message_bytes=NoveltyClient.max_message_bytes,
        callers=_CALLERS,
        close=close,
        registry=registry,
    )


def main() -> None:
    """Runs the novelty service until SIGTERM or SIGINT."""
    settings = read_settings(NoveltySettings)
    # Calls are many and each is small: BLAS threads that wait for one another cost more than they give.
    threadpool_limits(1)
    configure_logs("novelty", as_json=settings.log_json)
    run_service(lambda: build(settings), settings)


if __name__ == "__main__":
    main()
