"""Processes that are killed at named points and at any instant: nothing is lost, and nothing is kept twice."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.faults.kill_loop import KillLoop
from tests.faults.places import off_loop

# So many lives of a crawler in each place, besides three in purges and what is killed beside them.
SHORT, LONG = 24, 500
SEED = 8


async def test_an_undisturbed_crawl(rig, expected):
    """Ends as the other tests expect of theirs: one of each picture is kept, of each listing one end is told."""
    crawler = rig.start()
    crawl_id = await rig.crawl(rig.batch)
    assert await off_loop(rig.place.counts, crawl_id) == expected
    assert await off_loop(rig.place.image_count) == rig.batch.finds
    crawler.signal(signal.SIGTERM)
    assert await crawler.wait() == 0
    assert await off_loop(rig.place.problems, grace_s=0.0) == []


async def kill(rig, expected, count, **options):
    sys.stdout.write(f"seed {SEED}\n")
    killed = await KillLoop(rig, expected, **options).run(count, SEED)
    points = {where for process, where in killed.kills if process == "crawler"}
    assert {point.name for point in rig.place.points} <= points
    assert sum(killed.kills.values()) >= count + 3
    return killed


async def test_kills(rig, expected):
    """At every named point and between them, with decoders, model services and servers beside them."""
    await kill(rig, expected, SHORT)


@pytest.mark.long
async def test_five_hundred_kills(rig, expected):
    """The same in each place for long: `python -m tests.faults.long` writes a report of it as well."""
    await kill(rig, expected, LONG, check_every=25)
