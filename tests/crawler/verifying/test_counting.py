"""Counts of a crawl that are made anew, against those that were kept along the way."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import delete

from services.crawler.catalogue import releases
from services.crawler.catalogue.schema import crawl_counts, listings
from services.crawler.judgement import Verdict
from services.crawler.verifying.counting import count_again
from tests.crawler.store.replacing_world import Copies, digest_of


@pytest.fixture
async def world(tmp_path, place):
    """Three images that are near: one is kept, one was replaced by it, one is a duplicate of it."""
    world = Copies(tmp_path, place)
    await world.begin()
    one, two, three = await world.lease(3)
    await world.accept(one, 1)
    await world.accept(two, 2, 2, bits=3)
    await world.accept(three, 3, bits=2)
    yield world
    await world.close()


async def counted_anew(world):
    """All counts are lost, and made again."""
    await world.database.run(lambda c: c.execute(delete(crawl_counts)).rowcount)
    await world.database.run(partial(count_again, crawl_id="c1"))
    return await world.counts()


async def test_counts_are_those_of_today(world):
    """As they were counted when the listings ended, and when one was replaced."""
    counts = {Verdict.ACCEPTED: 1, Verdict.REPLACED: 1, Verdict.DUPLICATE: 1}
    assert await world.counts() == counts
    assert await counted_anew(world) == counts


async def test_what_another_crawl_tries_once_more_counts_as_a_failure(world):
    """Nothing of it is known meanwhile; before, it had failed."""
    again = listings.update().where(listings.c.digest == digest_of(3))
    again = again.values(outcome_state=None, outcome_reason=None, digest=None)
    await world.database.run(lambda c: c.execute(again).rowcount)
    assert Verdict.DUPLICATE not in await counted_anew(world)


@pytest.mark.parametrize("number", [1, 3])
async def test_what_is_to_be_judged_again_counts_as_a_duplicate(world, number):
    """A person's word has ended its judgement, and nobody has judged it since."""

    def release(connection):
        [rejected] = releases.find_rejected(connection, digest_of(number), digest_of(2))
        releases.release(connection, rejected)

    await world.database.run(release)
    counts = await world.counts()
    assert counts[Verdict.DUPLICATE] == (2 if number == 1 else 1)
    assert await counted_anew(world) == counts
