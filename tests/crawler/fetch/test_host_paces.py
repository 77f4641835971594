from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.crawler.fetch import host_paces
from services.crawler.fetch.host_paces import HostDown, HostPaces, HostResting
from services.crawler.fetch.pace_limits import PaceLimits

QUICK = PaceLimits(requests_per_s=1_000.0, connections=1, first_pause_s=10.0)


@asynccontextmanager
async def busy(paces: HostPaces, host: str) -> AsyncIterator[asyncio.Event]:
    """A request that is under way until the event is set."""
    release, began = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        async with paces.turn(host, patience_s=5.0):
            began.set()
            await release.wait()

    task = asyncio.create_task(ask())
    await began.wait()
    yield release
    release.set()
    await task


async def test_a_busy_host_holds_up_no_other() -> None:
    """Those who wait for a busy host hold none of the places of all."""
    paces = HostPaces(QUICK, connections=2)
    order: list[str] = []

    async def use(host: str) -> None:
        async with paces.turn(host, patience_s=5.0):
            order.append(host)

    async with busy(paces, "busy"):
        waiting = [asyncio.create_task(use("busy")) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.wait_for(use("other"), 1)
        assert order == ["other"]
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    assert order == ["other", *["busy"] * 5]


async def test_a_slow_pace_holds_up_no_other() -> None:
    """Those who wait for a host's gap to pass hold none of the places of all."""
    paces = HostPaces(QUICK, connections=1)
    paces.set_crawl_delay("slow", 0.5, origin="http://slow")
    async with paces.turn("slow", patience_s=1.0):
        pass

    async def ask_again() -> None:
        async with paces.turn("slow", patience_s=1.0):
            pass

    waiting = asyncio.create_task(ask_again())
    await asyncio.sleep(0)
    async with paces.turn("other", patience_s=0.1):
        assert not waiting.done()
    await waiting


async def test_failures_and_cancellations_give_places_back() -> None:
    """After errors and cancellations a host and all places are free."""
    paces = HostPaces(QUICK, connections=1)

    async def fail() -> None:
        async with paces.turn("a", patience_s=5.0):
            raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            await fail()
    async with busy(paces, "a"):
        for host in ("a", "b"):
            waiting = asyncio.create_task(
                fail() if host == "a" else paces.turn(host, patience_s=5).__aenter__()
            )
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    async with paces.turn("a", patience_s=1.0):
        assert paces.is_full("a")
    assert not paces.is_full("a")


async def test_turns_are_first_come_first_served() -> None:
    """Requests of one host start in the order in which they came."""
    paces = HostPaces(QUICK, connections=9)
    order: list[int] = []

    async def use(number: int) -> None:
        async with paces.turn("a", patience_s=5.0):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(use(number) for number in range(20)))
    assert order == list(range(20))


async def test_who_would_wait_too_long_is_sent_away_at_once() -> None:
    """A host that rests longer than the patience is no wait at all: it says when it may be worth another look."""
    paces = HostPaces(QUICK, connections=9)
    paces.set_crawl_delay("a", 30.0, origin="http://a")
    async with paces.turn("a", patience_s=1.0):
        pass
    began = asyncio.get_running_loop().time()
    with pytest.raises(HostResting) as resting:
        async with paces.turn("a", patience_s=5.0):
            pass
    assert asyncio.get_running_loop().time() - began < 1.0
    assert resting.value.host == "a"
    assert 29.0 < resting.value.wait_s <= 30.0
    assert paces.wait_s("a") == pytest.approx(resting.value.wait_s, abs=1.0)


async def test_patience_ends() -> None:
    """Who waits for a busy host, or for a place of all, is sent away when the patience is over."""
    paces = HostPaces(QUICK, connections=1)
    async with busy(paces, "a"):
        for host in ("a", "b"):
            with pytest.raises(HostResting) as resting:
                async with paces.turn(host, patience_s=0.02):
                    pass
            assert resting.value.host == host
            assert resting.value.wait_s > 0
    async with paces.turn("b", patience_s=1.0):
        pass


async def test_a_host_that_is_down_is_not_asked() -> None:
    """After all its pauses a host is told to be down, with no wait; another is asked."""
    limits = PaceLimits(breaker_failures=1, breaker_pauses=0)
    paces = HostPaces(limits, connections=9)
    async with paces.turn("a", patience_s=1.0) as pace:
        pace.record_failure(asyncio.get_running_loop().time())
    with pytest.raises(HostDown) as down:
        async with paces.turn("a", patience_s=1.0):
            pass
    assert down.value.host == "a"
    assert paces.wait_s("a") == 0.0
    async with paces.turn("b", patience_s=1.0):
        pass


async def test_a_pause_reaches_those_who_wait() -> None:
    """Who already waits for a host that is paused meanwhile waits for the pause, or is sent away."""
    paces = HostPaces(QUICK, connections=9)

    async def ask() -> None:
        async with paces.turn("a", patience_s=1.0):
            pass

    async with paces.turn("a", patience_s=1.0) as pace:
        waiting = asyncio.create_task(ask())
        await asyncio.sleep(0)
        pace.pause(asyncio.get_running_loop().time(), 60.0)
    with pytest.raises(HostResting) as resting:
        await waiting
    assert resting.value.wait_s > 50


async def test_unknown_hosts_may_be_asked() -> None:
    """Of a host that nobody asked nothing is remembered, and no delay of 0."""
    paces = HostPaces(QUICK, connections=9)
    paces.set_crawl_delay("a", 0.0, origin="http://a")
    assert (paces.wait_s("a"), paces.is_full("a"), paces.host_count) == (0.0, False, 0)
    paces.set_crawl_delay("a", 1.0, origin="http://a")
    assert paces.host_count == 1


async def test_the_largest_delay_of_a_host_counts() -> None:
    """An origin that asks for none takes nothing away from what another asks for; each may take back its own."""
    paces = HostPaces(QUICK, connections=9)
    gaps = []
    async with paces.turn("a", patience_s=1.0) as pace:
        for origin, delay_s in (("s", 9.0), ("h", 0.0), ("h", 20.0), ("s", 0.0), ("h", 0.0)):
            paces.set_crawl_delay("a", delay_s, origin=origin)
            gaps.append(pace.gap_s)
    assert gaps == [9.0, 9.0, 20.0, 20.0, 0.001]


async def test_idle_hosts_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts are forgotten once nothing is lost by it: those that are under way or paused stay."""
    monkeypatch.setattr(host_paces, "_SWEEP_AT", 10)
    limits = PaceLimits(requests_per_s=1e6, max_gap_s=0.0)
    paces = HostPaces(limits, connections=99)
    async with paces.turn("paused", patience_s=1.0) as pace:
        pace.pause(asyncio.get_running_loop().time(), 60.0)
    async with paces.turn("busy", patience_s=1.0):
        for number in range(100):
            async with paces.turn(f"h{number}", patience_s=1.0):
                await asyncio.sleep(0.0001)
        assert paces.host_count < 20
        assert paces.is_full("busy") is False
        assert paces.wait_s("paused") > 50
