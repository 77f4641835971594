"""The same work done several times at once: the first to come is what counts."""

from __future__ import annotations

import asyncio
import signal

from tests.faults.places import off_loop
from tests.faults.site_plan import Batch


async def test_crawls_of_the_same_listings(rig):
    """Three crawls list them at once, and their crawler is killed in between: one outcome, one copy of each."""
    crawler = rig.start()
    batch = Batch(0)
    crawls = [
        asyncio.create_task(rig.crawl(batch, request_id=f"again-{number}")) for number in range(3)
    ]
    await asyncio.wait(crawls, timeout=1.0)
    crawler.signal(signal.SIGKILL)
    await crawler.wait()
    rig.start()
    async with asyncio.timeout(60):
        assert len(set(await asyncio.gather(*crawls))) == 3
    assert await off_loop(rig.place.problems) == []
    assert await off_loop(rig.place.image_count) == batch.finds
