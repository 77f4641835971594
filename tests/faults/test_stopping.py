"""Crawlers that sleep, wake up, are told to end, and are killed while they do."""

from __future__ import annotations

import asyncio
import random
import signal

import psutil
import pytest

from tests.faults.failpoints import Trap
from tests.faults.places import off_loop
from tests.faults.rig import Work, working

# Of crawlers alone: whoever looks at the catalogue meanwhile has transactions, too.
_IDLE = (
    "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' "
    "AND application_name LIKE 'lodestone-crawler%'"
)
_IDLE_S = 1


async def stopped(crawler):
    """Returns when it has been stopped."""
    process = psutil.Process(crawler.pid)
    async with asyncio.timeout(60):
        while process.status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.01)


# On a busy machine the server has ended the transaction before anybody has looked at it.
@pytest.mark.long
async def test_a_crawler_that_sleeps_inside_a_transaction(rig, expected):
    """Stopped before its COMMIT and at any instant: PostgreSQL frees what it held, and it goes on when it wakes up."""
    rng = random.Random(5)
    crawler = rig.start(Trap("WRITTEN", 7, signal.SIGSTOP), idle_s=_IDLE_S)
    async with working(rig, expected) as work:
        await stopped(crawler)
        if hasattr(rig.place, "postgres"):
            assert await off_loop(rig.place.postgres.execute, _IDLE) != [(0,)]
            async with asyncio.timeout(30 * _IDLE_S):
                while await off_loop(rig.place.postgres.execute, _IDLE) != [(0,)]:
                    await asyncio.sleep(0.05)
        crawler.signal(signal.SIGCONT)
        for _ in range(4):
            await work.more(5)
            await asyncio.sleep(rng.uniform(0.0, 0.1))
            crawler.signal(signal.SIGSTOP)
            await asyncio.sleep(rng.uniform(0.0, 2.0 * _IDLE_S))
            crawler.signal(signal.SIGCONT)
    assert not crawler.ended.done()


async def test_a_crawler_that_is_told_to_end_under_load(rig, expected):
    """Status 0, however often it is told; nobody holds a lease then, and the next one goes on."""
    work = Work(rig, expected)
    try:
        for times in (1, 2):
            crawler = rig.start()
            await work.more(8)
            for _ in range(times):
                crawler.signal(signal.SIGTERM)
            assert await crawler.wait() == 0, rig.tail()
            assert await off_loop(rig.place.lease_count) == 0
            assert await off_loop(rig.place.problems) == []
        for number in range(3):
            crawler = rig.start()
            await work.more(4)
            crawler.signal(signal.SIGTERM)
            await asyncio.sleep(0.02 * number)
            crawler.signal(signal.SIGKILL)
            await crawler.wait()
            assert await off_loop(rig.place.problems) == []
        rig.start()
        await work.finish()
    finally:
        await work.cancel()
    assert await off_loop(rig.place.image_count) == work.batches * rig.batch.finds


@pytest.mark.long
async def test_a_crawler_that_wakes_up_when_another_has_its_work(in_cluster, expected):
    """The other has it within 40 s; what the first one wakes up with counts for nothing."""
    terms = {"lease_s": 2.0, "idle_s": _IDLE_S}
    in_cluster.start(**terms)
    sleeper, log = in_cluster.start(number=1, **terms), in_cluster.log_of(1)
    async with working(in_cluster, expected) as work:
        async with asyncio.timeout(60):
            while not log.exists() or '"event": "fetch"' not in log.read_text():
                await asyncio.sleep(0.01)
        sleeper.signal(signal.SIGSTOP)
        await work.more(2 * len(in_cluster.batch.names), timeout_s=40)
        sleeper.signal(signal.SIGCONT)
        await work.more(10)
    assert not sleeper.ended.done()
