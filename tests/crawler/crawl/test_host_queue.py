from __future__ import annotations

import asyncio

import pytest

from services.crawler.catalogue.frontier import LeasedListing, Outcome
from services.crawler.crawl.host_queue import HostQueue
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState

KNOWN = Outcome(OutcomeState.FETCHED, None, "", "", "ab" * 32, 1, 1.0)


class FakePaces:
    """Hosts that are full or rest, as a test says."""

    def __init__(self):
        self.full = set()
        self.resting = {}

    def is_full(self, host):
        return host in self.full

    def wait_s(self, host):
        return self.resting.get(host, 0.0)


def leased(number, host, outcome=None):
    return LeasedListing(number, Listing("urls:/a", f"http://{host}/{number}"), 0, outcome, host)


@pytest.fixture
def paces():
    return FakePaces()


@pytest.fixture
def queue(paces):
    return HostQueue(paces, patience_s=5.0)


async def ids(queue, count):
    return [(await queue.get()).listing_id for _ in range(count)]


async def test_hosts_take_turns(queue):
    """One of each host, then the next of each."""
    for number, host in enumerate("aaabbc"):
        queue.put(leased(number, host))
    assert await ids(queue, 6) == [0, 3, 5, 1, 4, 2]
    assert len(queue) == 0


async def test_a_host_that_may_not_be_asked_holds_up_only_itself(queue, paces):
    """Full hosts and resting ones are passed over."""
    paces.full, paces.resting = {"a"}, {"b": 1.0}
    for number, host in enumerate("abcc"):
        queue.put(leased(number, host))
    assert await ids(queue, 2) == [2, 3]
    paces.full.clear()
    paces.resting.clear()
    assert sorted(await ids(queue, 2)) == [0, 1]


async def test_a_long_rest_is_handed_out_to_be_given_back(queue, paces):
    """Beyond its patience the queue does not keep a listing."""
    paces.resting = {"a": 6.0}
    queue.put(leased(0, "a"))
    assert await ids(queue, 1) == [0]


async def test_what_is_known_needs_no_host(queue, paces):
    """A listing with an outcome is handed out however full its host is."""
    paces.full = {"a"}
    queue.put(leased(0, "a", KNOWN))
    assert await ids(queue, 1) == [0]


async def test_a_host_has_so_many_out_at_most(queue):
    """What is fetched is decoded and judged too; another one goes out when one is done."""
    out = [leased(number, "a") for number in range(9)]
    for one in out:
        queue.put(one)
    await ids(queue, 8)
    ninth = asyncio.create_task(queue.get())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await asyncio.shield(ninth)
    queue.done(out[0])
    assert (await ninth).listing_id == 8


async def test_no_waiter_is_forgotten(queue):
    """Many workers that wait get all that comes, each its own."""
    waiting = [asyncio.create_task(queue.get()) for _ in range(20)]
    await asyncio.sleep(0)
    for number in range(20):
        queue.put(leased(number, f"h{number}"))
    async with asyncio.timeout(5):
        got = await asyncio.gather(*waiting)
    assert sorted(one.listing_id for one in got) == list(range(20))


async def test_room_and_crowds(queue):
    """Who fills the queue waits for room, and is told which hosts have enough."""
    for number in range(16):
        queue.put(leased(number, "a"))
    queue.put(leased(16, "b"))
    assert queue.crowded_hosts == ["a"]
    filling = asyncio.create_task(queue.wait_for_room(17))
    await asyncio.sleep(0)
    assert not filling.done()
    await queue.get()
    async with asyncio.timeout(5):
        await filling
