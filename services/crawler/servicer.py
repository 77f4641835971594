"""CrawlerService: decodes requests, calls the domain, encodes answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc

from lodestone.crawler.v1 import (
    crawl_pb2,
    crawl_source_pb2,
    crawler_service_pb2,
    crawler_service_pb2_grpc,
)
from lodestone.image.v1 import image_pb2
from services.crawler.blob_store import BlobStore
from services.crawler.catalogue import crawls, discovery, images, judgements, reports
from services.crawler.catalogue.crawls import Crawl, CrawlLimits, CrawlState, SettledListing
from services.crawler.catalogue.database import Database
from services.crawler.crawl_board import CrawlBoard
from services.crawler.file_state import file_states
from services.crawler.judging import JudgeOptions, Judging
from services.crawler.messages import (
    crawl_to_message,
    host_to_message,
    judgement_to_message,
    kept_to_message,
    purge_from_message,
    purged_to_message,
    settled_to_message,
    yield_to_message,
)
from services.crawler.purging import Purging
from services.crawler.screen import Screen
from services.crawler.source_messages import (
    kind_to_message,
    proposal_to_message,
    sources_from_messages,
)
from services.crawler.source_settings import SourceSettings
from services.crawler.sources.registry import SourceRegistry
from services.servicekit.errors import InvalidInput, ItemRejected
from services.servicekit.image import Rgb, pixels_to_rgb
from services.servicekit.messages import rejection_to_message
from services.servicekit.rejection import RejectionCode
from services.servicekit.streams import answer_stream

_MAX_IMAGES = 64
_MAX_SOURCES = 1_000
_MAX_ID = 128
_MAX_PROPOSALS = 1_000
_PROPOSALS = 50
_PAGE = 500
_HEARTBEAT_S = 1.0

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class CrawlerParts:
    """What the servicer calls."""

    board: CrawlBoard
    judging: Judging
    purging: Purging
    database: Database
    store: BlobStore
    screen: Screen
    sources: SourceRegistry
    stream_idle_s: float


class CrawlerServicer(crawler_service_pb2_grpc.CrawlerServiceServicer):
    """The rpcs of CrawlerService."""

    def __init__(self, parts: CrawlerParts) -> None:
        self._board = parts.board
        self._judging = parts.judging
        self._purging = parts.purging
        self._database = parts.database
        self._store = parts.store
        self._screen = parts.screen
        self._sources = parts.sources
        self._stream_idle_s = parts.stream_idle_s

    async def CreateCrawl(
        self, request: crawler_service_pb2.CreateCrawlRequest, context: Context
    ) -> crawler_service_pb2.CreateCrawlResponse:
        """Creates a crawl and starts it."""
        if not 1 <= len(request.request_id) <= _MAX_ID:
            message = f"request_id must have 1 to {_MAX_ID} characters"
            raise InvalidInput(message)
        sources = [(uri, SourceSettings()) for uri in request.sources]
        sources += _chosen_sources(request.crawl_sources, given=len(sources))
        limits = CrawlLimits(request.limits.max_listings, request.limits.max_accepted)
        if min(limits.max_listings, limits.max_accepted) < 0:
            message = "limits must not be negative"
            raise InvalidInput(message)
        crawl = await self._board.create(request.request_id, sources, request.profile, limits)
        return crawler_service_pb2.CreateCrawlResponse(crawl=await self._crawl(crawl))

    async def GetCrawl(
        self, request: crawler_service_pb2.GetCrawlRequest, context: Context
    ) -> crawler_service_pb2.GetCrawlResponse:
        """Returns one crawl."""
        crawl = await self._board.get(request.crawl_id)
        return crawler_service_pb2.GetCrawlResponse(crawl=await self._crawl(crawl))

    async def ListCrawls(
        self, request: crawler_service_pb2.ListCrawlsRequest, context: Context
    ) -> crawler_service_pb2.ListCrawlsResponse:
        """Returns all crawls."""
        found = await self._database.run(crawls.list_crawls)
        messages = [await self._crawl(crawl) for crawl in found]
        return crawler_service_pb2.ListCrawlsResponse(crawls=messages)

    async def PauseCrawl(
        self, request: crawler_service_pb2.PauseCrawlRequest, context: Context
    ) -> crawler_service_pb2.PauseCrawlResponse:
        """Stops a crawl until it is resumed."""
        crawl = await self._board.pause(request.crawl_id)
        return crawler_service_pb2.PauseCrawlResponse(crawl=await self._crawl(crawl))

    async def ResumeCrawl(
        self, request: crawler_service_pb2.ResumeCrawlRequest, context: Context
    ) -> crawler_service_pb2.ResumeCrawlResponse:
        """Lets a paused crawl go on."""
        crawl = await self._board.resume(request.crawl_id)
        return crawler_service_pb2.ResumeCrawlResponse(crawl=await self._crawl(crawl))

    async def CancelCrawl(
        self, request: crawler_service_pb2.CancelCrawlRequest, context: Context
    ) -> crawler_service_pb2.CancelCrawlResponse:
        """Ends a crawl for good."""
        crawl = await self._board.cancel(request.crawl_id)
        return crawler_service_pb2.CancelCrawlResponse(crawl=await self._crawl(crawl))

    async def AddCrawlSources(
        self, request: crawler_service_pb2.AddCrawlSourcesRequest, context: Context
    ) -> crawler_service_pb2.AddCrawlSourcesResponse:
        """Adds sources to a crawl."""
        sources = _chosen_sources(request.crawl_sources, given=0)
        crawl = await self._board.add_sources(request.crawl_id, sources)
        return crawler_service_pb2.AddCrawlSourcesResponse(crawl=await self._crawl(crawl))

    async def WatchCrawl(
        self, request: crawler_service_pb2.WatchCrawlRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.WatchCrawlResponse]:
        """Streams settled listings and counts."""
        sequence, last = request.after_sequence, None
        while True:
            # Asked for before the state is read: a change between the two sets it.
            change = self._board.changes(request.crawl_id)
            crawl = await self._board.get(request.crawl_id)
            message = await self._crawl(crawl)
            while settled := await self._settled(crawl, after=sequence):
                for listing in settled:
                    yield crawler_service_pb2.WatchCrawlResponse(settled_listing=listing)
                sequence = settled[-1].sequence
            if message != last:
                yield crawler_service_pb2.WatchCrawlResponse(crawl=message)
                last = message
            if crawl.state is not CrawlState.RUNNING:
                return
            await _wait(change, _HEARTBEAT_S)

    async def JudgeImages(
        self, request: crawler_service_pb2.JudgeImagesRequest, context: Context
    ) -> crawler_service_pb2.JudgeImagesResponse:
        """Judges a few images."""
        if not 1 <= len(request.images) <= _MAX_IMAGES:
            message = f"{len(request.images)} images: give 1 to {_MAX_IMAGES}"
            raise InvalidInput(message)
        results = await asyncio.gather(
            *(self._judge(image, request.options) for image in request.images)
        )
        return crawler_service_pb2.JudgeImagesResponse(results=results)

    async def StreamJudgeImages(
        self,
        request_iterator: AsyncIterator[crawler_service_pb2.StreamJudgeImagesRequest],
        context: Context,
    ) -> AsyncIterator[crawler_service_pb2.StreamJudgeImagesResponse]:
        """Judges images one message each."""

        async def answer(
            request: crawler_service_pb2.StreamJudgeImagesRequest,
        ) -> crawler_service_pb2.StreamJudgeImagesResponse:
            result = await self._judge(request.image, request.options)
            return crawler_service_pb2.StreamJudgeImagesResponse(id=request.id, result=result)

        async for response in answer_stream(request_iterator, answer, idle_s=self._stream_idle_s):
            yield response

    async def MarkImagesSeen(
        self,
        request_iterator: AsyncIterator[crawler_service_pb2.MarkImagesSeenRequest],
        context: Context,
    ) -> crawler_service_pb2.MarkImagesSeenResponse:
        """Marks images as seen before."""
        response = crawler_service_pb2.MarkImagesSeenResponse()
        async for request in request_iterator:
            if not request.profile_name:
                message = "profile_name must not be empty"
                raise InvalidInput(message)
            try:
                image = _image(request.image)
                await self._judging.mark_seen(self._database, request.profile_name, image)
                response.marked_count += 1
            except ItemRejected:
                response.rejected_count += 1
        return response

    async def ListImages(
        self, request: crawler_service_pb2.ListImagesRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.ListImagesResponse]:
        """Streams the kept images."""
        after = (0, "")
        while kept := await self._kept(request.profile_name, after):
            found = [image for image, _ in kept]
            states = await asyncio.to_thread(file_states, self._store, found)
            for (image, judged), state in zip(kept, states, strict=True):
                message = kept_to_message(image, judged, state)
                yield crawler_service_pb2.ListImagesResponse(image=message)
            after = (found[-1].sequence, found[-1].profile.name)
        if request.profile_name and after == (0, ""):
            await self._board.require_profile(request.profile_name)

    async def PurgeImages(
        self, request: crawler_service_pb2.PurgeImagesRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.PurgeImagesResponse]:
        """Removes kept images for good."""
        async for image, reason in self._purging.purge(purge_from_message(request)):
            message = purged_to_message(image, reason)
            yield crawler_service_pb2.PurgeImagesResponse(image=message)

    async def ListHosts(
        self, request: crawler_service_pb2.ListHostsRequest, context: Context
    ) -> crawler_service_pb2.ListHostsResponse:
        """Returns what each host has answered."""
        found = await self._database.run(reports.list_hosts)
        messages = [host_to_message(host) for host in found]
        return crawler_service_pb2.ListHostsResponse(hosts=messages)

    async def ListSourceYields(
        self, request: crawler_service_pb2.ListSourceYieldsRequest, context: Context
    ) -> crawler_service_pb2.ListSourceYieldsResponse:
        """Returns what each source, or community, has given."""
        found = await self._database.run(
            partial(reports.list_source_yields, by_community=request.by_community)
        )
        messages = [yield_to_message(source) for source in found]
        return crawler_service_pb2.ListSourceYieldsResponse(source_yields=messages)

    async def ListSourceKinds(
        self, request: crawler_service_pb2.ListSourceKindsRequest, context: Context
    ) -> crawler_service_pb2.ListSourceKindsResponse:
        """Returns every kind of source."""
        kinds = [kind_to_message(kind, obstacle) for kind, obstacle in self._sources.available()]
        return crawler_service_pb2.ListSourceKindsResponse(source_kinds=kinds)

    async def DiscoverSources(
        self, request: crawler_service_pb2.DiscoverSourcesRequest, context: Context
    ) -> crawler_service_pb2.DiscoverSourcesResponse:
        """Proposes sources by what was accepted."""
        if not 0 <= request.max_proposals <= _MAX_PROPOSALS:
            message = f"max_proposals must be 1 to {_MAX_PROPOSALS:,}, or 0 for {_PROPOSALS}"
            raise InvalidInput(message)
        limit = request.max_proposals or _PROPOSALS
        found = await self._database.run(
            partial(discovery.discover, profile_name=request.profile_name, limit=limit)
        )
        if request.profile_name and not found:
            await self._board.require_profile(request.profile_name)
        proposals = [proposal_to_message(proposal) for proposal in found]
        return crawler_service_pb2.DiscoverSourcesResponse(proposals=proposals)

    async def _crawl(self, crawl: Crawl) -> crawl_pb2.Crawl:
        counts = await self._database.run(lambda c: crawls.list_counts(c, crawl.crawl_id))
        return crawl_to_message(crawl, counts, self._screen)

    async def _settled(self, crawl: Crawl, *, after: int) -> list[crawl_pb2.SettledListing]:
        profile = crawl.request.profile

        def work(connection: Any) -> list[tuple[SettledListing, Any]]:
            settled = crawls.list_settled(connection, crawl.crawl_id, after=after, limit=_PAGE)
            return [
                (one, judgements.get_judgement(connection, one.outcome.digest, profile))
                for one in settled
            ]

        pairs = await self._database.run(work)
        return [settled_to_message(settled, judged, profile) for settled, judged in pairs]

    async def _kept(self, profile_name: str, after: tuple[int, str]) -> list[tuple[Any, Any]]:
        def work(connection: Any) -> list[tuple[Any, Any]]:
            kept = images.list_kept(connection, profile_name, after=after, limit=_PAGE)
            return [
                (image, judgements.get_judgement(connection, image.digest, image.profile))
                for image in kept
            ]

        return await self._database.run(work)

    async def _judge(
        self, message: image_pb2.Image, options: crawler_service_pb2.JudgeOptions
    ) -> crawler_service_pb2.JudgeResult:
        how = JudgeOptions(options.profile, options.all_gates, options.screen)
        try:
            judged = await self._judging.judge(_image(message), how)
        except ItemRejected as rejection:
            return crawler_service_pb2.JudgeResult(rejection=rejection_to_message(rejection))
        value = judgement_to_message(
            judged.judgement, judged.decoded, judged.digest, judged.profile
        )
        return crawler_service_pb2.JudgeResult(value=value)


def _chosen_sources(
    messages: Sequence[crawl_source_pb2.CrawlSource], *, given: int
) -> list[tuple[str, SourceSettings]]:
    count = given + len(messages)
    if not 1 <= count <= _MAX_SOURCES:
        message = f"{count:,} sources: give 1 to {_MAX_SOURCES:,}"
        raise InvalidInput(message)
    return sources_from_messages(messages)


def _image(message: image_pb2.Image) -> bytes | Rgb:
    content = message.WhichOneof("content")
    if content == "encoded":
        return message.encoded
    if content == "pixels":
        pixels = message.pixels
        return pixels_to_rgb(pixels.rgb, height_px=pixels.height_px, width_px=pixels.width_px)
    raise ItemRejected(RejectionCode.UNSUPPORTED_FORMAT, "the image has no content")


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
