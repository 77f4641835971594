from __future__ import annotations

import asyncio

import pytest

from services.crawler.catalogue.frontier import LeasedListing, Outcome
from services.crawler.crawl import host_queue
from services.crawler.crawl.host_queue import HostQueue
from services.crawler.crawl.precedence import Precedence
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


def leased(number, host, outcome=None, priority=0):
    listing = Listing("urls:/a", f"http://{host}/{number}")
    return LeasedListing(number, listing, 0, outcome, host, priority=priority)


@pytest.fixture
def paces():
    return FakePaces()


@pytest.fixture
def precedence():
    return Precedence(workers=2)


@pytest.fixture
def queue(paces, precedence):
    return HostQueue("c1", paces, precedence, patience_s=5.0)


async def ids(queue, count):
    async with asyncio.timeout(30):
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
    async with asyncio.timeout(30):
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
    async with asyncio.timeout(30):
        await filling


async def test_a_higher_priority_is_handed_out_first(queue, paces):
    """Of all hosts that may be asked, and of one host's; among equals hosts take turns."""
    paces.full = {"d"}
    given = (("a", 0), ("a", 0), ("b", 3), ("c", 3), ("a", 7), ("b", 3), ("d", 99))
    for number, (host, priority) in enumerate(given):
        queue.put(leased(number, host, priority=priority))
    order = []
    async with asyncio.timeout(30):
        for _ in range(6):
            out = await queue.get()
            order.append(out.listing_id)
            queue.done(out)
    assert order == [4, 2, 3, 5, 0, 1]


async def is_held_back(queue):
    """Whether nothing comes of a queue."""
    try:
        async with asyncio.timeout(0.02):
            await queue.get()
    except TimeoutError:
        return True
    return False


async def test_another_crawls_listing_of_a_higher_priority_goes_first(queue, paces, precedence):
    """At the host that both ask, and where it fills the workers; what a queue leaves behind holds up nobody."""
    other = HostQueue("c2", paces, precedence, patience_s=5.0)
    other.put(leased(0, "a", priority=1))
    queue.put(leased(1, "a"))
    queue.put(leased(2, "b"))
    assert await ids(queue, 1) == [2]
    assert await is_held_back(queue)
    assert await ids(other, 1) == [0]
    assert await ids(queue, 1) == [1]
    for number in (3, 4, 5):
        other.put(leased(number, "c", priority=1))
    queue.put(leased(6, "d", KNOWN))
    out = await other.get()
    assert await is_held_back(queue)
    other.done(out)
    other.close()
    assert await ids(queue, 1) == [6]


async def test_whom_everything_waits_for_is_told(queue, paces, precedence, monkeypatch):
    """Once it has waited for some seconds; not while something is under way, or waits for its host alone."""
    other = HostQueue("c2", paces, precedence, patience_s=5.0)
    for number in range(2):
        other.put(leased(number, f"h{number}", priority=1))
    await ids(other, 2)
    assert queue.waits_for == ""
    queue.put(leased(3, "a"))
    queue.put(leased(4, "b"))
    assert queue.waits_for == ""
    monkeypatch.setattr(host_queue, "_TOLD_AFTER_S", 0.0)
    assert (queue.waits_for, other.waits_for) == ("c2", "")
    other.done(leased(0, "h0", priority=1))
    other.put(leased(5, "a", priority=1))
    paces.full = {"b"}
    assert queue.waits_for == ""
    other.put(leased(6, "b", priority=1))
    assert queue.waits_for == "c2"
    other.close()
    paces.full = set()
    [out] = await ids(queue, 1)
    other.put(leased(7, "a", priority=1))
    other.put(leased(8, "b", priority=1))
    assert queue.waits_for == ""
    queue.done(leased(out, "a"))
    assert queue.waits_for == "c2"
