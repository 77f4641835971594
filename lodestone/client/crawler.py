"""The client of the crawler."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import grpc

from lodestone.client.channel import MEBIBYTE
from lodestone.client.client_stream import send_stream
from lodestone.client.left_calls import ended
from lodestone.client.multiplexed_stream import MultiplexedStream
from lodestone.client.reopening import Reopening
from lodestone.client.service_client import UNARY_TIMEOUT_S, OnWait, ServiceClient
from lodestone.client.transport import PLAINTEXT, Transport
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawl_pb2 import CRAWL_STATE_RUNNING, Crawl
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource, SourceKind, SourceProposal
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.crawler.v1.duplicate_image_pb2 import DistinctPair
from lodestone.crawler.v1.kept_image_pb2 import HostReport, PurgedImage, SourceYield
from lodestone.crawler.v1.sink_pb2 import Sink
from lodestone.image.v1.image_pb2 import Image

if TYPE_CHECKING:
    from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceAsyncStub


class CrawlerClient(ServiceClient):
    """Runs and watches crawls, and judges images. Every method may raise `grpc.aio.AioRpcError`.

    An iterator that is left before its end cancels its call.
    """

    word: ClassVar[str] = "crawler"
    max_message_bytes: ClassVar[int] = 65 * MEBIBYTE

    def __init__(
        self,
        address: str,
        *,
        transport: Transport = PLAINTEXT,
        max_in_flight: int = 16,
        on_wait: OnWait | None = None,
    ) -> None:
        super().__init__(address, transport=transport)
        self._on_wait = on_wait
        self._stub: CrawlerServiceAsyncStub = CrawlerServiceStub(self.channel)
        self._stream: MultiplexedStream[
            pb.StreamJudgeImagesRequest, pb.StreamJudgeImagesResponse
        ] = MultiplexedStream(
            self._stub.StreamJudgeImages,
            max_message_bytes=self.max_message_bytes,
            max_in_flight=max_in_flight,
            on_wait=on_wait,
        )
        self._streams.append(self._stream)
        self._imports: MultiplexedStream[pb.ImportImagesRequest, pb.ImportImagesResponse] = (
            MultiplexedStream(
                self._stub.ImportImages,
                max_message_bytes=self.max_message_bytes,
                max_in_flight=max_in_flight,
                on_wait=on_wait,
            )
        )
        self._streams.append(self._imports)

    async def create_crawl(self, request: pb.CreateCrawlRequest) -> Crawl:
        """Creates and starts a crawl; the same `request_id` again gives the crawl that it made the first time."""
        answer = await self._stub.CreateCrawl(request, timeout=UNARY_TIMEOUT_S)
        return answer.crawl

    async def get_crawl(self, crawl_id: str) -> Crawl:
        """One crawl with its counts."""
        request = pb.GetCrawlRequest(crawl_id=crawl_id)
        answer = await self._stub.GetCrawl(request, timeout=UNARY_TIMEOUT_S)
        return answer.crawl

    async def list_crawls(self) -> list[Crawl]:
        """All crawls, newest first, at most 1,000."""
        answer = await self._stub.ListCrawls(pb.ListCrawlsRequest(), timeout=UNARY_TIMEOUT_S)
        return list(answer.crawls)

    async def pause_crawl(self, crawl_id: str) -> Crawl:
        """Stops a crawl until it is resumed."""
        request = pb.PauseCrawlRequest(crawl_id=crawl_id)
        answer = await self._stub.PauseCrawl(request, timeout=UNARY_TIMEOUT_S)
        return answer.crawl

    async def resume_crawl(self, crawl_id: str) -> Crawl:
        """Lets a paused crawl go on."""
        request = pb.ResumeCrawlRequest(crawl_id=crawl_id)
        answer = await self._stub.ResumeCrawl(request, timeout=UNARY_TIMEOUT_S)
        return answer.crawl

    async def cancel_crawl(self, crawl_id: str) -> Crawl:
        """Ends a crawl for good."""
        request = pb.CancelCrawlRequest(crawl_id=crawl_id)
        answer = await self._stub.CancelCrawl(request, timeout=UNARY_TIMEOUT_S)
        return answer.crawl

    async def add_crawl_sources(self, crawl_id: str, sources: Sequence[CrawlSource]) -> Crawl:
        """Adds sources to a crawl; those that it has already take the new settings."""
        request = pb.AddCrawlSourcesRequest(crawl_id=crawl_id, crawl_sources=sources)
        answer = await self._stub.AddCrawlSources(request, timeout=UNARY_TIMEOUT_S)
        return answer.crawl

    async def set_crawl_priority(
        self, crawl_id: str, priority: int, sources: Sequence[str] = ()
    ) -> Crawl:
        """Gives sources of a crawl, or all of them, another priority, -100 to 100: higher ones are leased first."""
        request = pb.SetCrawlPriorityRequest(crawl_id=crawl_id, sources=sources, priority=priority)
        answer = await self._stub.SetCrawlPriority(request, timeout=UNARY_TIMEOUT_S)
        return answer.crawl

    async def watch_crawl(
        self, crawl_id: str, *, after_sequence: int = 0
    ) -> AsyncGenerator[pb.WatchCrawlResponse, None]:
        """Yields a crawl's events until it is paused or has ended; each settled listing once.

        When the crawler goes away it waits until it is back, for as long as the caller does, and goes on after the last
        listing; `on_wait` is told.
        """
        again = Reopening(self._tell)
        is_over = False
        while not is_over:
            request = pb.WatchCrawlRequest(crawl_id=crawl_id, after_sequence=after_sequence)
            try:
                with ended(self._stub.WatchCrawl(request)) as events:
                    async for event in events:
                        again.came()
                        if event.HasField("settled_listing"):
                            after_sequence = event.settled_listing.sequence
                        is_over = (
                            event.HasField("crawl") and event.crawl.state != CRAWL_STATE_RUNNING
                        )
                        yield event
            except grpc.aio.AioRpcError as error:
                is_over = False
                await again.wait_after(error)
            else:
                if not is_over:
                    await again.wait("the crawler ended the watch early")

    async def judge_images(
        self, images: Sequence[Image], options: pb.JudgeOptions
    ) -> list[pb.JudgeResult]:
        """Judges 1 to 64 images of 64 MB in all; one result each, in order. Stores nothing."""
        request = pb.JudgeImagesRequest(options=options, images=images)
        answer = await self._stub.JudgeImages(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.results)

    async def judge(self, image: Image, options: pb.JudgeOptions) -> pb.JudgeResult:
        """Judges one image over the shared stream; waits for the server as long as the caller does."""
        request = pb.StreamJudgeImagesRequest(options=options, image=image)
        answer = await self._stream.call(request)
        return answer.result

    async def find_duplicates(self, image: Image) -> pb.FindDuplicatesResponse:
        """What an image would be a duplicate of, of all that was kept, purged or marked as seen. Stores nothing."""
        request = pb.FindDuplicatesRequest(image=image)
        return await self._stub.FindDuplicates(request, timeout=UNARY_TIMEOUT_S)

    async def create_distinct_pair(
        self, first_digest: str, second_digest: str
    ) -> pb.CreateDistinctPairResponse:
        """Says that two images are no duplicates of each other; what was rejected for that is judged again."""
        request = pb.CreateDistinctPairRequest(
            first_digest=first_digest, second_digest=second_digest
        )
        return await self._stub.CreateDistinctPair(request, timeout=UNARY_TIMEOUT_S)

    async def delete_distinct_pair(self, first_digest: str, second_digest: str) -> bool:
        """Takes that back; False if nobody had said so."""
        request = pb.DeleteDistinctPairRequest(
            first_digest=first_digest, second_digest=second_digest
        )
        answer = await self._stub.DeleteDistinctPair(request, timeout=UNARY_TIMEOUT_S)
        return answer.deleted

    async def list_distinct_pairs(self) -> AsyncGenerator[DistinctPair, None]:
        """Yields all pairs of which somebody said so, by their digests."""
        with ended(self._stub.ListDistinctPairs(pb.ListDistinctPairsRequest())) as answers:
            async for answer in answers:
                yield answer.pair

    async def mark_images_seen(
        self, profile_name: str, images: Callable[[], AsyncIterator[Image]]
    ) -> pb.MarkImagesSeenResponse:
        """Marks images as seen before under a profile's name; `images` is called again if the stream breaks."""

        async def messages() -> AsyncIterator[pb.MarkImagesSeenRequest]:
            async for image in images():
                yield pb.MarkImagesSeenRequest(profile_name=profile_name, image=image)

        return await send_stream(self._stub.MarkImagesSeen, messages)

    async def list_images(
        self, profile_name: str = "", *, newest: int = 0, with_embeddings: bool = False
    ) -> AsyncGenerator[pb.ListImagesResponse, None]:
        """Yields the kept images, oldest first, as `image`, with their `embedding` if wanted and recorded.

        Args:
            profile_name: Only images kept for it; empty is all.
            newest: Only so many, the newest ones; 0 is all.
            with_embeddings: Whether to send the embeddings.
        """
        request = pb.ListImagesRequest(
            profile_name=profile_name, newest=newest, with_embeddings=with_embeddings
        )
        with ended(self._stub.ListImages(request)) as answers:
            async for answer in answers:
                yield answer

    async def get_image(self, digest: str, *, with_encoded: bool = False) -> pb.GetImageResponse:
        """One kept image under every profile that keeps it, with its embedding and if wanted its bytes.

        Args:
            digest: 64 hex digits, or the first 8 or more of them.
            with_encoded: Whether to send the bytes.
        """
        request = pb.GetImageRequest(digest=digest, with_encoded=with_encoded)
        return await self._stub.GetImage(request, timeout=UNARY_TIMEOUT_S)

    async def export_images(
        self, request: pb.ExportImagesRequest
    ) -> AsyncGenerator[pb.ExportImagesResponse, None]:
        """Yields how far an export goes, and then its images, each once, to the end.

        When the crawler goes away it waits until it is back, for as long as the caller does, and goes on after the last
        image; `on_wait` is told.
        """
        again = Reopening(self._tell)
        asked = pb.ExportImagesRequest()
        asked.CopyFrom(request)
        is_told = is_over = False
        while not is_over:
            try:
                with ended(self._stub.ExportImages(asked)) as events:
                    async for event in events:
                        if is_told and event.HasField("horizon"):
                            # Said again, it brings the export no further.
                            continue
                        again.came()
                        if event.HasField("end"):
                            is_over = True
                            continue
                        if event.HasField("image"):
                            asked.after_sequence = event.image.sequence
                        else:
                            is_told = True
                            asked.horizon.CopyFrom(event.horizon)
                        yield event
            except grpc.aio.AioRpcError as error:
                if not is_over:
                    await again.wait_after(error)
            else:
                if not is_over:
                    await again.wait("the crawler ended the export early")

    async def import_image(self, request: pb.ImportImagesRequest) -> pb.ImportImagesResponse:
        """Takes an exported image into the store, behind those of earlier calls; waits as `judge` does."""
        return await self._imports.call(request)

    async def rejudge_images(
        self, profile: str, *, dry_run: bool = False
    ) -> AsyncGenerator[pb.RejudgeImagesResponse, None]:
        """Judges what is known again under a profile version; yields each image that changes, then the summary.

        Args:
            profile: `landscapes` or `landscapes@3`.
            dry_run: Change nothing.
        """
        request = pb.RejudgeImagesRequest(profile=profile, dry_run=dry_run)
        with ended(self._stub.RejudgeImages(request)) as answers:
            async for answer in answers:
                yield answer

    async def purge_images(
        self, request: pb.PurgeImagesRequest
    ) -> AsyncGenerator[PurgedImage, None]:
        """Removes kept images for good; yields each one, and why."""
        with ended(self._stub.PurgeImages(request)) as answers:
            async for answer in answers:
                yield answer.image

    async def list_hosts(self) -> list[HostReport]:
        """What each host has answered so far, most listings first."""
        answer = await self._stub.ListHosts(pb.ListHostsRequest(), timeout=UNARY_TIMEOUT_S)
        return list(answer.hosts)

    async def list_source_yields(self, *, by_community: bool = False) -> list[SourceYield]:
        """What each source, or each community, has given so far, best yield first."""
        request = pb.ListSourceYieldsRequest(by_community=by_community)
        answer = await self._stub.ListSourceYields(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.source_yields)

    async def list_score_distributions(
        self, profile: str, *, max_days: int = 0
    ) -> pb.ListScoreDistributionsResponse:
        """How candidates scored under a profile version, and whether the newest differ from its background sample.

        Args:
            profile: `landscapes` or `landscapes@3`.
            max_days: The last so many days that have candidates, 1 to 366; 0 is 14.
        """
        request = pb.ListScoreDistributionsRequest(profile=profile, max_days=max_days)
        return await self._stub.ListScoreDistributions(request, timeout=UNARY_TIMEOUT_S)

    async def list_source_kinds(self) -> list[SourceKind]:
        """Every kind of source, and what keeps it from working on this crawler."""
        request = pb.ListSourceKindsRequest()
        answer = await self._stub.ListSourceKinds(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.source_kinds)

    async def discover_sources(
        self, profile_name: str = "", *, max_proposals: int = 0
    ) -> list[SourceProposal]:
        """Sources that nobody crawled yet and that accepted images speak for, most of these first."""
        request = pb.DiscoverSourcesRequest(profile_name=profile_name, max_proposals=max_proposals)
        answer = await self._stub.DiscoverSources(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.proposals)

    async def list_sinks(self) -> list[Sink]:
        """Every sink that kept images were ever to be delivered to, by name."""
        answer = await self._stub.ListSinks(pb.ListSinksRequest(), timeout=UNARY_TIMEOUT_S)
        return list(answer.sinks)

    async def retry_sink(self, name: str) -> int:
        """Tries a sink again at once; returns how many deliveries it had refused."""
        request = pb.RetrySinkRequest(name=name)
        answer = await self._stub.RetrySink(request, timeout=UNARY_TIMEOUT_S)
        return answer.retried_count

    async def backfill_sink(self, name: str) -> int:
        """Lets a sink have all that was kept before it was there; returns how many images are new to it."""
        request = pb.BackfillSinkRequest(name=name)
        answer = await self._stub.BackfillSink(request, timeout=UNARY_TIMEOUT_S)
        return answer.added_count

    def _tell(self, reason: str | None) -> None:
        if self._on_wait is not None:
            self._on_wait(reason)
