from __future__ import annotations

import asyncio

from services.crawler.crawl.change_signal import ChangeSignal


async def test_each_event_is_set_by_the_change_after_it():
    """Who took an event before a change is woken by it; who takes one later waits for the next."""
    signal = ChangeSignal()
    before = signal.next()
    signal.notify()
    after = signal.next()
    assert before.is_set()
    assert not after.is_set()
    signal.notify()
    async with asyncio.timeout(30):
        await after.wait()
