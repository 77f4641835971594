"""A network that fails between any two processes: crawls end as if it had not."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.faults.rig import working
from tests.faults.tcp_proxy import Fault, TcpProxy

WORDS = ("embedder", "novelty", "watermark")


@asynccontextmanager
async def between(rig):
    """A proxy between each two processes, by the word of the server."""
    place = rig.place
    ports = {
        **{word: int(rig.models[0].address.rpartition(":")[2]) for word in WORDS},
        "site": rig.site.port,
        "store": place.s3_server.port,
        "catalogue": place.postgres.port,
        "crawler": rig.port,
    }
    async with AsyncExitStack() as stack:
        proxies = {
            word: await stack.enter_async_context(TcpProxy(port)) for word, port in ports.items()
        }
        rig.models = [proxies[word] for word in WORDS]
        rig.site_port = proxies["site"].port
        rig.address = proxies["crawler"].address
        server, proxied = (
            f"127.0.0.1:{port}" for port in (place.postgres.port, proxies["catalogue"].port)
        )
        address = place.settings["LODESTONE_CRAWLER_CATALOGUE"].replace(server, proxied)
        rig.settings = {
            "LODESTONE_CRAWLER_STORE_ENDPOINT": f"http://{proxies['store'].address}",
            "LODESTONE_CRAWLER_CATALOGUE": address,
        }
        yield proxies


async def test_every_pair_and_every_fault(in_cluster, expected):
    """Late by half a second, byte by byte, cut off and reset in the middle: one pair after the other."""
    async with between(in_cluster) as proxies:
        crawler = in_cluster.start()
        async with working(in_cluster, expected) as work:
            for proxy in proxies.values():
                for fault in (Fault.SLOW, Fault.BYTEWISE, Fault.CUT, Fault.RESET):
                    await work.more(2)
                    await proxy.suffer(fault)
        assert not crawler.ended.done()


@pytest.mark.long
@pytest.mark.parametrize("word", [*WORDS, "crawler", "store"])
async def test_a_peer_that_falls_silent(in_cluster, expected, word):
    """Its connections are given up within 45 s, and new ones made: no RST or FIN says that nobody is there."""
    async with between(in_cluster) as proxies:
        in_cluster.start()
        async with working(in_cluster, expected) as work:
            await work.more(10)
            await proxies[word].suffer(Fault.SILENT, times=2)
            await work.more(20, timeout_s=45)
