"""A catalogue whose server crashes, ends sessions, and loses connections in COMMIT, under a whole crawler."""

from __future__ import annotations

from tests.faults.places import off_loop
from tests.faults.rig import working
from tests.postgres.cutting_proxy import Cut, CuttingProxy

_END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lodestone-crawler%'
"""


async def test_a_server_that_crashes_and_ends_sessions(in_cluster, expected):
    """Three crashes and five ended sessions in the middle of crawls: every listing has one end, as ever."""
    crawler, server = in_cluster.start(), in_cluster.place.postgres
    async with working(in_cluster, expected) as work:
        for how in ("immediate", "killed", "immediate"):
            await work.more(8)
            await off_loop(server.stop, how)
            await off_loop(server.start)
        for _ in range(5):
            await work.more(4)
            await off_loop(server.execute, _END_SESSIONS)
    assert not crawler.ended.done()
    assert "listing_retried" not in in_cluster.log.read_text()


async def test_connections_that_break_in_commit(in_cluster, expected):
    """Whether the server has committed or not, and while it has not yet: nothing is counted twice."""
    place = in_cluster.place
    with CuttingProxy(place.postgres.port) as proxy:
        address = place.settings["LODESTONE_CRAWLER_CATALOGUE"]
        address = address.replace(f"127.0.0.1:{place.postgres.port}", f"127.0.0.1:{proxy.port}")
        in_cluster.settings = {"LODESTONE_CRAWLER_CATALOGUE": address}
        in_cluster.start()
        async with working(in_cluster, expected) as work:
            for _ in range(4):
                await work.more(4)
                proxy.cuts += list(Cut)
                await work.more(4)
        assert proxy.cuts == []
        assert await off_loop(place.image_count) == work.batches * in_cluster.batch.finds
