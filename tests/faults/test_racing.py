"""Crawlers that share a catalogue and a store, and race for the same and for near-identical images."""

from __future__ import annotations

import signal

from tests.faults.places import off_loop
from tests.faults.site_plan import Batch
from tests.faults.undisturbed import expected_counts

CRAWLERS = 8
# Of each picture nine versions that are near each other, and some with the same bytes; each on a host of its own, as a
# host has one owner at a time, and an owner 64 hosts.
CONTENDED = Batch(0, finds=18, nears=8, hosts=1_000)


async def test_eight_crawlers_race(in_cluster):
    """Of each picture one version is kept, whoever comes first; every listing has one outcome."""
    crawlers = [in_cluster.start(number=number) for number in range(CRAWLERS)]
    crawl_id = await in_cluster.crawl(CONTENDED)
    place = in_cluster.place
    assert await off_loop(place.counts, crawl_id) == expected_counts(CONTENDED)
    assert await off_loop(place.problems) == []
    assert await off_loop(place.image_count) == CONTENDED.finds
    logs = [in_cluster.log_of(number).read_text() for number in range(CRAWLERS)]
    assert sum('"event": "fetch"' in log for log in logs) >= 3
    for crawler in crawlers:
        crawler.signal(signal.SIGTERM)
    assert [await crawler.wait() for crawler in crawlers] == [0] * CRAWLERS
