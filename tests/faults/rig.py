"""Everything that a crawl needs, most of it real processes, and crawls that go on whatever dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import time

import grpc

from lodestone.client import CrawlerClient
from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from tests.fakes.ports import free_port
from tests.faults.crawlers import START_S, start_plainly
from tests.faults.places import off_loop
from tests.faults.site_plan import Batch

_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
MIN_PIXELS = 10_000
PATIENCE_S = 90.0


class Rig:
    """A place, a site, model services, and the port of a crawler. A context manager, which ends what it started.

    Attributes:
        place: Where catalogue and store are.
        models: The processes of the model services.
        log: The output of all crawlers.
        settings: More of theirs, by name.
        prepare: What becomes of a request before it is sent.
        batch: The batch that others are like.
    """

    def __init__(self, place, starter, site, models, folder):
        """`models` is a process for all three services, or one for each."""
        self.place, self.site, self._starter, self._folder = place, site, starter, folder
        self.models = models if isinstance(models, list) else [models] * 3
        self.site_port = site.port
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = folder / "crawler.log"
        self.log.touch()
        self.settings = {}
        self.prepare = lambda request: request
        self.batch = Batch(0)
        self._crawlers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for crawler in self._crawlers:
            crawler.signal(signal.SIGKILL)
            crawler.ended.result(START_S)

    def environment(self, **settings):
        """The settings of a crawler; those that are given count."""
        words = ("EMBEDDER", "NOVELTY", "WATERMARK")
        models = {
            f"LODESTONE_{word}": model.address
            for word, model in zip(words, self.models, strict=True)
        }
        own = {
            "ALLOWED_ADDRESSES": json.dumps([f"127.0.0.1:{self.site_port}"]),
            "PORT": str(self.port),
            "METRICS_PORT": "0",
            "MIN_PIXELS": str(MIN_PIXELS),
            "WORKERS": "6",
            "DECODERS": "1",
            "HOST_CONNECTIONS": "8",
            "HOST_REQUESTS_PER_S": "1000",
            "DRAIN_S": "10",
            "LOG_JSON": "true",
        }
        named = {f"LODESTONE_CRAWLER_{name}": value for name, value in own.items()}
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return kept | models | named | self.place.settings | self.settings | settings

    def start(self, trap=None, *, number=0, **terms):
        """Starts a crawler; all but number 0 have ports and data folders of their own, and are asked nothing."""
        own = {}
        if number:
            own["LODESTONE_CRAWLER_PORT"] = str(free_port())
            own["LODESTONE_DATA"] = f"{self.place.data}-{number}"
        crawler = self._starter.start(
            self.environment(**own), self.log_of(number), trap=trap, **terms
        )
        self._crawlers.append(crawler)
        return crawler

    def log_of(self, number):
        """The output of a crawler with a number; of number 0 and of those started plainly it is `log`."""
        return self.log.with_name(f"crawler-{number}.log") if number else self.log

    def start_plainly(self, **settings):
        """Starts a crawler as a person does, with these settings as well."""
        self._crawlers.append(start_plainly(self.environment(**settings), self.log))
        return self._crawlers[-1]

    async def crawl(self, batch, request_id="", on_settled=lambda: None):
        """Makes a crawl and watches it to its end, whatever becomes of the crawler. Returns its id.

        Each listing is told once, and all are told.
        """
        urls = list(batch.urls(self.site_port))
        listed = self._folder / f"batch-{batch.number}.txt"
        if not listed.exists():
            listed.write_text("\n".join(urls) + "\n")
        request = pb.CreateCrawlRequest(
            request_id=request_id or f"batch-{batch.number}",
            sources=[f"urls:{listed}"],
            profile="colours",
        )
        told = []
        async with CrawlerClient(self.address) as client:
            made = await self._create(client, self.prepare(request))
            async for event in client.watch_crawl(made.crawl_id):
                if event.HasField("settled_listing"):
                    settled = event.settled_listing
                    told.append((settled.sequence, settled.listing.url))
                    on_settled()
                last = event.crawl if event.HasField("crawl") else None
        assert last.state == crawl_pb2.CRAWL_STATE_COMPLETED, last
        assert [sequence for sequence, _ in told] == list(range(1, len(urls) + 1))
        assert sorted(url for _, url in told) == sorted(urls)
        return made.crawl_id

    async def _create(self, client, request):
        while True:
            try:
                return await client.create_crawl(request)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AWAY:
                    raise
                await asyncio.sleep(0.1)

    async def ask(self, work):
        """What `work` gives of a client, once the crawler is there."""
        await self.until_there()
        async with CrawlerClient(self.address) as client:
            return await work(client)

    async def until_there(self):
        """Waits until a crawler listens."""
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    def tail(self, count=30):
        """The last lines of the crawlers' output, for a failure."""
        return "\n".join(self.log.read_text().splitlines()[-count:])


class Work:
    """Crawls batch after batch, and compares the end of each with how an undisturbed one ends.

    Attributes:
        settled: Listings that a client was told of.
        batches: Crawls that are over.
    """

    def __init__(self, rig, expected, first=0):
        """Begins at once, with the batch of that number."""
        self._rig, self._expected = rig, expected
        self._ending = False
        self._numbers = itertools.count(first)
        self.settled = self.batches = 0
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def until(self, *others, timeout_s=PATIENCE_S):
        """Waits for the first of these futures; a crawl that ends otherwise than it should fails at once."""
        async with asyncio.timeout(timeout_s):
            await asyncio.wait({self._task, *others}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()

    async def more(self, count, timeout_s=PATIENCE_S):
        """Waits until so many more listings are settled; returns how long that took, seconds."""
        began, target = time.monotonic(), self.settled + count
        while self.settled < target and not self._task.done():
            self._moved.clear()
            moved = asyncio.ensure_future(self._moved.wait())
            left_s = timeout_s - (time.monotonic() - began)
            try:
                await self.until(moved, timeout_s=left_s)
            except TimeoutError:
                raise AssertionError(f"stuck at {self.settled}:\n{self._rig.tail()}") from None
            finally:
                moved.cancel()
        return time.monotonic() - began

    async def finish(self, timeout_s=PATIENCE_S):
        """Lets the crawl that is going on end."""
        self._ending = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._task
        except TimeoutError:
            raise AssertionError(f"it does not end:\n{self._rig.tail()}") from None

    async def cancel(self):
        """Waits for nothing."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._task

    async def _run(self):
        for number in self._numbers:
            crawl_id = await self._rig.crawl(Batch(number), on_settled=self._note)
            ended = await off_loop(self._rig.place.counts, crawl_id)
            assert ended == self._expected, f"{ended}\n{self._rig.tail()}"
            self.batches += 1
            if self._ending:
                return

    def _note(self):
        self.settled += 1
        self._moved.set()


@contextlib.asynccontextmanager
async def working(rig, expected, first=0):
    """Work that goes on inside the block, and comes to its end behind it; nothing is wrong then."""
    work = Work(rig, expected, first)
    try:
        yield work
        await work.finish()
    finally:
        await work.cancel()
    found = await off_loop(rig.place.problems)
    assert found == []
    assert await off_loop(rig.place.image_count) == (first + work.batches) * rig.batch.finds
