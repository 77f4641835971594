from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack, aclosing, suppress

import grpc
import pytest
from google.protobuf import message_factory

from lodestone.client import CrawlerClient, NoveltyClient
from lodestone.client.left_calls import ended
from lodestone.crawler.v1 import crawler_service_pb2 as crawler_pb
from lodestone.crawler.v1.crawl_pb2 import CRAWL_STATE_RUNNING, Crawl
from lodestone.novelty.v1 import novelty_service_pb2 as novelty_pb

CALLS = {
    "watch_crawl": lambda crawler: crawler.watch_crawl("c1"),
    "export_images": lambda crawler: crawler.export_images(crawler_pb.ExportImagesRequest()),
    "list_images": lambda crawler: crawler.list_images(),
    "list_distinct_pairs": lambda crawler: crawler.list_distinct_pairs(),
    "rejudge_images": lambda crawler: crawler.rejudge_images("landscapes"),
    "purge_images": lambda crawler: crawler.purge_images(crawler_pb.PurgeImagesRequest()),
    "list_liked_images": lambda novelty: novelty.list_liked_images("landscapes"),
}
SERVICES = (
    *crawler_pb.DESCRIPTOR.services_by_name.values(),
    *novelty_pb.DESCRIPTOR.services_by_name.values(),
)


class Endless:
    """Both services: each method that answers with a stream gives one answer, and then nothing.

    Attributes:
        address: `host:port`.
        running: How many calls have begun and not ended.
    """

    def __init__(self, server):
        self.running = 0
        for service in SERVICES:
            handlers = {method.name: self._handler(method) for method in service.methods}
            generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
            server.add_generic_rpc_handlers((generic,))
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"

    def _handler(self, method):
        answer = message_factory.GetMessageClass(method.output_type)()
        if method.name == "WatchCrawl":
            answer.crawl.CopyFrom(Crawl(state=CRAWL_STATE_RUNNING))

        async def call(_request, _context):
            self.running += 1
            try:
                yield answer.SerializeToString()
                await asyncio.Event().wait()
            finally:
                self.running -= 1

        return grpc.unary_stream_rpc_method_handler(call)

    async def become_idle(self):
        async with asyncio.timeout(5):
            while self.running:
                await asyncio.sleep(0.005)


@pytest.fixture
async def endless():
    """A started one; nothing is collected meanwhile."""
    server = grpc.aio.server()
    services = Endless(server)
    await server.start()
    gc.collect()
    gc.disable()
    yield services
    gc.enable()
    await server.stop(None)


@pytest.fixture
async def iterate(endless):
    """A function that calls the method of a client."""
    async with AsyncExitStack() as stack:

        async def call(name):
            kind = NoveltyClient if name == "list_liked_images" else CrawlerClient
            return CALLS[name](await stack.enter_async_context(kind(endless.address)))

        yield call


@pytest.mark.parametrize("name", CALLS)
async def test_an_iterator_that_is_left_ends_its_call(endless, iterate, name):
    """By a break, by an error in the body of the loop, and by its end."""
    async for _ in await iterate(name):
        assert endless.running == 1
        break
    await endless.become_idle()

    with suppress(ZeroDivisionError):
        async for _ in await iterate(name):
            assert endless.running == 1
            raise ZeroDivisionError
    await endless.become_idle()

    async with aclosing(await iterate(name)) as answers:
        await anext(answers)
        assert endless.running == 1
    await endless.become_idle()


async def test_a_call_that_is_over_stays_as_it_was(endless):
    """Its status is the server's."""
    async with grpc.aio.insecure_channel(endless.address) as channel:
        with ended(channel.unary_unary("/lodestone.none.v1.NoService/Nothing")(b"")) as call:
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
        assert not call.cancelled()
