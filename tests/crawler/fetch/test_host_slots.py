from __future__ import annotations

import asyncio

import pytest

from services.crawler.fetch.host_slots import HostSlots


async def test_a_busy_host_holds_up_no_other() -> None:
    """Those who wait for a busy host hold none of the slots of all."""
    slots = HostSlots(total=2, per_host=1)
    release = asyncio.Event()
    order: list[str] = []

    async def use(host: str) -> None:
        async with slots.hold(host):
            order.append(host)
            if host == "busy":
                await release.wait()

    busy = [asyncio.create_task(use("busy")) for _ in range(5)]
    await asyncio.wait_for(use("other"), 1)
    assert order == ["busy", "other"]
    release.set()
    await asyncio.wait_for(asyncio.gather(*busy), 1)
    assert order.count("busy") == 5


async def test_hosts_are_forgotten_and_failures_give_slots_back() -> None:
    """After errors and cancellations all slots are free and no host is remembered."""
    slots = HostSlots(total=1, per_host=1)

    async def fail() -> None:
        async with slots.hold("a"):
            raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):  # noqa: PT011 - the error of the test itself
            await fail()
    async with slots.hold("a"):
        waiting = asyncio.create_task(fail())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert not slots._hosts
    assert not slots._users
