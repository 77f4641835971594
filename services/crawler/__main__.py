"""Runs the crawler service: `python -m services.crawler`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import fields
from functools import partial
from importlib.metadata import version
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry
from sqlalchemy import URL, Connection

from lodestone.client import CrawlerClient, Transport, connect
from lodestone.crawler.v1 import crawler_service_pb2, crawler_service_pb2_grpc
from services.crawler.catalogue import crawls, kept_images
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.catalogue.near_reading import NearReading
from services.crawler.catalogue.outage import CatalogueAway
from services.crawler.catalogue.postgres_server import parse_server
from services.crawler.config import CrawlerSettings
from services.crawler.crawl.answering import Answering
from services.crawler.crawl.crawl_board import CrawlBoard
from services.crawler.crawl.crawl_run import RunLimits, RunTerms
from services.crawler.crawl.host_claims import ClaimTerms, HostClaims
from services.crawler.crawl.pipeline import PipelineParts
from services.crawler.crawl.placeholders import Placeholders
from services.crawler.crawl.precedence import Precedence
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.fetch.address import AddressPolicy, AllowedAddress
from services.crawler.fetch.egress_proxy import EgressProxy
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.local_access import LocalAccess
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.fetch.web_client import Network
from services.crawler.gates.gallery import Search
from services.crawler.judging.duplicate_search import DuplicateSearch
from services.crawler.judging.inspector import GateTerms, Inspector
from services.crawler.judging.judging import Judging
from services.crawler.judging.precision_check import PrecisionCheck
from services.crawler.models.liked_services import LikedServices
from services.crawler.models.model_services import ModelServices
from services.crawler.moving.exporting import Exporting
from services.crawler.moving.importing import Importing
from services.crawler.places import Places
from services.crawler.receivers.gallery_search import MAX_BYTES, GallerySearch
from services.crawler.receivers.receiver_client import ReceiverClient, receiver_url
from services.crawler.rejudging.distinguishing import Distinguishing
from services.crawler.rejudging.rejudging import Rejudging
from services.crawler.rpc.base_servicer import CrawlerParts
from services.crawler.scores.score_reports import ScoreReports
from services.crawler.screen import Screen
from services.crawler.servicer import CrawlerServicer
from services.crawler.sinks.delivering import Delivering
from services.crawler.sinks.registry import SinkTools, open_sinks
from services.crawler.sinks.sink import Sink
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.kind import SourceTools
from services.crawler.sources.registry import SourceRegistry
from services.crawler.store.blob_store import BlobStore
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.opening import open_store, require_images
from services.crawler.store.purging import PurgeLocks, Purging
from services.crawler.store.recorder import Recorder
from services.crawler.store.seen_keeping import SeenKeeping
from services.servicekit import callers
from services.servicekit.cores import usable_cores
from services.servicekit.errors import Misconfigured
from services.servicekit.image import DecodeLimits
from services.servicekit.logs import configure_logs
from services.servicekit.metrics import new_registry
from services.servicekit.resize import InputShape
from services.servicekit.server import ServiceDefinition, run_service
from services.servicekit.settings import read_settings

# Of so many images not all are lost, unless the store is another one.
_LOOKED_FOR = 100

# A table's Job begins crawls and waits for their ends.
_CALLERS = {
    "": (callers.PERSON,),
    "CreateCrawl": (callers.BULK, callers.PERSON),
    "GetCrawl": (callers.BULK, callers.PERSON),
}

_SERVICE = crawler_service_pb2.DESCRIPTOR.services_by_name["CrawlerService"]


async def build(settings: CrawlerSettings) -> ServiceDefinition:
    """Wires the service together."""
    receivers = ReceiverClient(f"lodestone/{version('lodestone')}")
    search = await asyncio.to_thread(_gallery_search, settings, receivers)
    stack = AsyncExitStack()
    database, store = await _open(settings, stack)
    sinks = _sinks(settings, receivers, store)
    await stack.enter_async_context(receivers)
    keeping = SeenKeeping(database, settings.data / "cache")
    stack.push_async_callback(keeping.close)
    seen = await keeping.load()
    models, liked = await _models(settings, stack)
    placeholders = _placeholders(settings)
    fetcher = await stack.enter_async_context(_fetcher(settings, placeholders.urls))
    gates = GateTerms(search, NearReading(database, seen).read, settings.keep_better)
    decoder = partial(_decoder, settings)
    inspector = Inspector(models, PrecisionCheck(models, liked), seen, decoder, gates)
    stack.push_async_callback(inspector.close)
    screen = Screen(settings.min_pixels, settings.max_width_ratio, settings.max_height_ratio)
    recorder = Recorder(database, store, seen)
    parts = PipelineParts(
        database, store, fetcher, inspector, screen, recorder, seen, placeholders=placeholders
    )
    purging = Purging(database, store, seen, fetcher, PurgeLocks(parts.digests, recorder.files))
    await purging.finish()
    await recorder.remove_replaced()
    tools = _source_tools(settings, fetcher)
    sources = SourceRegistry(tools)
    registry = new_registry()
    delivering = Delivering(database, store, sinks, registry)
    stack.push_async_callback(delivering.close)
    await delivering.start(alone=database.was_alone)
    claims = _claims(settings, database, fetcher)
    if claims is not None:
        claims.start()
        stack.push_async_callback(claims.close)
    board = CrawlBoard(parts, models, sources.parse, _run_terms(settings, tools, claims))
    stack.push_async_callback(board.close)
    await board.start()
    judging = Judging(inspector, models, liked.explain, screen, seen)
    servicer = CrawlerServicer(
        CrawlerParts(
            board,
            judging,
            DuplicateSearch(inspector, database, seen),
            Distinguishing(database, board.fetch_again, recorder.remove_files_of),
            purging,
            Rejudging(parts, models, board.fetch_again),
            Exporting(database, store),
            Importing(parts, partial(_decoder, settings, {})),
            database,
            store,
            screen,
            sources,
            ScoreReports(database, models),
            delivering,
            settings.stream_idle_s,
        )
    )

    # First of all that is closed: the others wait for their work with it.
    stack.callback(database.give_up)

    async def probe() -> None:
        if database.waits_for:
            raise CatalogueAway(database.waits_for)
        await database.run(partial(crawls.list_crawls, limit=1))
        recorder.require_store()

    return _definition(servicer, probe, stack, registry)


async def _open(settings: CrawlerSettings, stack: AsyncExitStack) -> tuple[Database, BlobStore]:
    """Opens catalogue and store, and leaves a note of where they are."""
    place = _catalogue(settings)
    places = Places.of(place, settings.store)
    places.require_catalogue(settings.data)
    database = await asyncio.to_thread(Database, place)
    stack.callback(database.close)
    store = await _store(settings, database)
    places.write(settings.data)
    return database, store


async def _models(
    settings: CrawlerSettings, stack: AsyncExitStack
) -> tuple[ModelServices, LikedServices]:
    """Connects to the three services; both use the same channels."""
    embedder, novelty, watermark = [
        await stack.enter_async_context(connect(address, transport=Transport(settings.tls)))
        for address in (settings.embedder, settings.novelty, settings.watermark)
    ]
    models = ModelServices(embedder, novelty, watermark)
    stack.push_async_callback(models.close)
    return models, LikedServices(embedder, novelty)


def _catalogue(settings: CrawlerSettings) -> Path | URL:
    address = settings.catalogue.get_secret_value()
    return parse_server(address) if address else settings.data / "catalog.sqlite"


async def _store(settings: CrawlerSettings, database: Database) -> BlobStore:
    opening = partial(open_store, settings.store, settings.data, settings.s3_access)
    store = await asyncio.to_thread(opening, alone=database.was_alone)
    if settings.store:
        await asyncio.to_thread(require_images, store, await database.run(_newest))
    return store


def _newest(connection: Connection) -> list[KeptImage]:
    after = kept_images.before_newest(connection, "", _LOOKED_FOR)
    return kept_images.list_kept(connection, "", after=after)


def _sinks(settings: CrawlerSettings, client: ReceiverClient, store: BlobStore) -> list[Sink]:
    blob_path = store.path if isinstance(store, FolderStore) else None
    addresses, secrets = settings.sinks.get_secret_value(), settings.sink_secrets.get_secret_value()
    return open_sinks(addresses, secrets, SinkTools(client, blob_path))


def _gallery_search(settings: CrawlerSettings, client: ReceiverClient) -> Search | None:
    """Looks into the gallery that the settings name, if they do."""
    if not settings.gallery:
        return None
    url = receiver_url(settings.gallery, path="/reverse_search")
    if settings.gallery_canary is None:
        raise Misconfigured("the gallery needs a canary: LODESTONE_CRAWLER_GALLERY_CANARY")
    if settings.max_bytes > MAX_BYTES:
        raise Misconfigured(f"the gallery takes {MAX_BYTES:,} bytes: LODESTONE_CRAWLER_MAX_BYTES")
    try:
        canary = settings.gallery_canary.read_bytes()
    except OSError as error:
        message = f"the canary {settings.gallery_canary} cannot be read: {error.strerror}"
        raise Misconfigured(message) from error
    return GallerySearch(client, url, canary).find


def _claims(settings: CrawlerSettings, database: Database, fetcher: Fetcher) -> HostClaims | None:
    if not database.is_shared:
        return None
    # As many as keep the workers busy, and the next ones.
    terms = ClaimTerms(most=2 * settings.workers)
    return HostClaims(database, fetcher.paces, uuid.uuid4().hex, terms)


def _placeholders(settings: CrawlerSettings) -> Placeholders:
    path = settings.placeholders
    if path is None:
        return Placeholders()
    try:
        return Placeholders.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the list of placeholders {path} cannot be read: {error}") from error


def _fetcher(settings: CrawlerSettings, placeholder_urls: frozenset[str]) -> Fetcher:
    proxy = settings.egress_proxy.get_secret_value()
    allowed = tuple(AllowedAddress.parse(entry) for entry in settings.allowed_addresses)
    return Fetcher(
        policy=AddressPolicy(allowed),
        identity=Identity(version("lodestone"), settings.contact),
        limits=FetchLimits(
            max_bytes=settings.max_bytes,
            total_s=settings.fetch_timeout_s,
            connections=settings.connections,
            pace=PaceLimits(
                connections=settings.host_connections, requests_per_s=settings.host_requests_per_s
            ),
            local=_local_access(settings),
        ),
        network=Network(proxy=EgressProxy.parse(proxy) if proxy else None),
        placeholder_urls=placeholder_urls,
    )


def _local_access(settings: CrawlerSettings) -> LocalAccess:
    return LocalAccess(settings.local_sources, settings.local_folder)


def _source_tools(settings: CrawlerSettings, fetcher: Fetcher) -> SourceTools:
    secrets = {
        name.name: getattr(settings, name.name).get_secret_value() for name in fields(Credentials)
    }
    bases = settings.api_bases
    return SourceTools(
        fetch_page=fetcher.fetch_page,
        fetch_document=fetcher.fetch_document,
        open_session=fetcher.open_session,
        guard_proxy=fetcher.open_proxy,
        api_base=lambda base: bases.get(base, base),
        credentials=Credentials(**secrets),
        has_contact=bool(settings.contact),
        local=_local_access(settings),
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_decoded_pixels,
    )


def _decoder(settings: CrawlerSettings, shapes: Mapping[str, InputShape]) -> Decoder:
    return Decoder(
        shapes=shapes,
        limits=DecodeLimits(settings.max_bytes, settings.max_decoded_pixels),
        worker_limits=WorkerLimits(workers=settings.decoders or usable_cores()),
    )


def _run_terms(
    settings: CrawlerSettings, tools: SourceTools, claims: HostClaims | None
) -> RunTerms:
    limits, precedence = RunLimits(workers=settings.workers), Precedence(settings.workers)
    return RunTerms(limits, Answering(tools).ask, claims, precedence)


def _definition(
    servicer: CrawlerServicer,
    probe: Callable[[], Awaitable[None]],
    stack: AsyncExitStack,
    registry: CollectorRegistry,
) -> ServiceDefinition:
    def register(server: grpc.aio.Server) -> None:
        crawler_service_pb2_grpc.add_CrawlerServiceServicer_to_server(servicer, server)

    return ServiceDefinition(
        word="crawler",
        full_name=_SERVICE.full_name,
        register=register,
        probe=probe,
        max_message_bytes=CrawlerClient.max_message_bytes,
        resumed=frozenset({"WatchCrawl", "ExportImages"}),
        callers=_CALLERS,
        close=stack.aclose,
        registry=registry,
    )


def main() -> None:
    """Reads the settings and serves until SIGTERM."""
    settings = read_settings(CrawlerSettings)
    configure_logs("crawler", as_json=settings.log_json)
    run_service(partial(build, settings), settings)


if __name__ == "__main__":
    main()
