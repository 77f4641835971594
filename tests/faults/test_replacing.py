"""Crawlers that are killed while better copies take the place of kept images: never both are kept, nor neither."""

from __future__ import annotations

import asyncio
import hashlib
import signal

from tests.faults.failpoints import REPLACEMENT_POINTS, Trap
from tests.faults.places import off_loop
from tests.faults.site_plan import Versions, content

HALF, WHOLE = Versions(0, "half"), Versions(1, "whole")


async def test_kills_between_a_better_copy_and_the_other(rig):
    """At each point from the rows to the last file; whatever is left over is removed by a start."""
    crawler = rig.start()
    await rig.crawl(HALF)
    crawler.signal(signal.SIGTERM)
    assert await crawler.wait() == 0
    crawling = asyncio.create_task(rig.crawl(WHOLE))
    for point in REPLACEMENT_POINTS:
        crawler = rig.start(Trap(point.name))
        assert await crawler.wait(60.0) == -signal.SIGKILL, rig.tail()
        assert await off_loop(rig.place.problems) == []
        assert await off_loop(rig.place.image_count) == HALF.finds
    crawler = rig.start()
    crawl_id = await crawling
    crawler.signal(signal.SIGTERM)
    assert await crawler.wait() == 0
    assert await off_loop(rig.place.counts, crawl_id) == {("FETCHED", "", "ACCEPTED"): WHOLE.finds}
    whole = {
        hashlib.sha256(content(f"/0/whole-{place}.png")).hexdigest() for place in range(WHOLE.finds)
    }
    assert set(await off_loop(rig.place.kept_digests)) == whole
    assert await off_loop(lambda: rig.place.problems(grace_s=0.0)) == []
