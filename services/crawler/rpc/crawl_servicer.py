"""The rpcs that create, end and watch crawls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from lodestone.crawler.v1 import crawl_pb2, crawl_source_pb2, crawler_service_pb2
from services.crawler.catalogue import crawls, judgements
from services.crawler.catalogue.crawls import Crawl, CrawlLimits, CrawlState, SettledListing
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.messages import crawl_to_message, settled_to_message
from services.crawler.rpc.source_messages import sources_from_messages
from services.crawler.source_settings import SourceSettings
from services.servicekit.errors import InvalidInput

_MAX_SOURCES = 1_000
_MAX_ID = 128
_PAGE = 500
_HEARTBEAT_S = 1.0


class CrawlServicer(BaseServicer):
    """Crawls."""

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
        crawl = await self._parts.board.create(request.request_id, sources, request.profile, limits)
        return crawler_service_pb2.CreateCrawlResponse(crawl=await self._crawl(crawl))

    async def GetCrawl(
        self, request: crawler_service_pb2.GetCrawlRequest, context: Context
    ) -> crawler_service_pb2.GetCrawlResponse:
        """Returns one crawl."""
        crawl = await self._parts.board.get(request.crawl_id)
        return crawler_service_pb2.GetCrawlResponse(crawl=await self._crawl(crawl))

    async def ListCrawls(
        self, request: crawler_service_pb2.ListCrawlsRequest, context: Context
    ) -> crawler_service_pb2.ListCrawlsResponse:
        """Returns all crawls."""
        found = await self._parts.database.run(crawls.list_crawls)
        messages = [await self._crawl(crawl) for crawl in found]
        return crawler_service_pb2.ListCrawlsResponse(crawls=messages)

    async def PauseCrawl(
        self, request: crawler_service_pb2.PauseCrawlRequest, context: Context
    ) -> crawler_service_pb2.PauseCrawlResponse:
        """Stops a crawl until it is resumed."""
        crawl = await self._parts.board.pause(request.crawl_id)
        return crawler_service_pb2.PauseCrawlResponse(crawl=await self._crawl(crawl))

    async def ResumeCrawl(
        self, request: crawler_service_pb2.ResumeCrawlRequest, context: Context
    ) -> crawler_service_pb2.ResumeCrawlResponse:
        """Lets a paused crawl go on."""
        crawl = await self._parts.board.resume(request.crawl_id)
        return crawler_service_pb2.ResumeCrawlResponse(crawl=await self._crawl(crawl))

    async def CancelCrawl(
        self, request: crawler_service_pb2.CancelCrawlRequest, context: Context
    ) -> crawler_service_pb2.CancelCrawlResponse:
        """Ends a crawl for good."""
        crawl = await self._parts.board.cancel(request.crawl_id)
        return crawler_service_pb2.CancelCrawlResponse(crawl=await self._crawl(crawl))

    async def AddCrawlSources(
        self, request: crawler_service_pb2.AddCrawlSourcesRequest, context: Context
    ) -> crawler_service_pb2.AddCrawlSourcesResponse:
        """Adds sources to a crawl."""
        sources = _chosen_sources(request.crawl_sources, given=0)
        crawl = await self._parts.board.add_sources(request.crawl_id, sources)
        return crawler_service_pb2.AddCrawlSourcesResponse(crawl=await self._crawl(crawl))

    async def SetCrawlPriority(
        self, request: crawler_service_pb2.SetCrawlPriorityRequest, context: Context
    ) -> crawler_service_pb2.SetCrawlPriorityResponse:
        """Gives sources of a crawl another priority."""
        if len(request.sources) > _MAX_SOURCES:
            message = f"{len(request.sources):,} sources: give {_MAX_SOURCES:,} at most"
            raise InvalidInput(message)
        crawl = await self._parts.board.set_priority(
            request.crawl_id, request.sources, request.priority
        )
        return crawler_service_pb2.SetCrawlPriorityResponse(crawl=await self._crawl(crawl))

    async def WatchCrawl(
        self, request: crawler_service_pb2.WatchCrawlRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.WatchCrawlResponse]:
        """Streams settled listings and counts."""
        sequence, last = request.after_sequence, None
        while True:
            # Asked for before the state is read: a change between the two sets it.
            change = self._parts.board.changes(request.crawl_id)
            crawl = await self._parts.board.get(request.crawl_id)
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

    async def _crawl(self, crawl: Crawl) -> crawl_pb2.Crawl:
        counts = await self._parts.database.run(lambda c: crawls.list_counts(c, crawl.crawl_id))
        return crawl_to_message(crawl, counts, self._parts.screen)

    async def _settled(self, crawl: Crawl, *, after: int) -> list[crawl_pb2.SettledListing]:
        profile = crawl.request.profile

        def work(connection: Any) -> list[tuple[SettledListing, Any]]:
            settled = crawls.list_settled(connection, crawl.crawl_id, after=after, limit=_PAGE)
            return [
                (one, judgements.get_judgement(connection, one.outcome.digest, profile))
                for one in settled
            ]

        pairs = await self._parts.database.run(work)
        return [settled_to_message(settled, judged, profile) for settled, judged in pairs]


def _chosen_sources(
    messages: Sequence[crawl_source_pb2.CrawlSource], *, given: int
) -> list[tuple[str, SourceSettings]]:
    count = given + len(messages)
    if not 1 <= count <= _MAX_SOURCES:
        message = f"{count:,} sources: give 1 to {_MAX_SOURCES:,}"
        raise InvalidInput(message)
    return sources_from_messages(messages)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
