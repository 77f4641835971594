from __future__ import annotations

import pytest

from services.crawler.catalogue import distinct_pairs, images
from services.crawler.catalogue.distinct_pairs import DistinctPair
from services.servicekit.errors import NotFound
from tests.crawler.subjects import random_fingerprint

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
async def known(database):
    """A and B were seen."""

    def work(connection):
        for digest in (A, B):
            images.mark_seen(connection, "mine", digest, random_fingerprint(1))

    await database.run(work)
    return database


def say(database, one, other, now=5.0):
    return database.run(lambda c: distinct_pairs.add_pair(c, one, other, now=now))


async def test_a_pair_has_no_order_and_is_there_once(known):
    """Whoever says it again says nothing new, in whatever order."""
    pair = DistinctPair(A, B, 5.0)
    assert await say(known, B, A) == pair
    assert await say(known, A, B, now=9.0) == pair
    assert await say(known, C, B) == DistinctPair(B, C, 5.0)
    pairs = await known.run(lambda c: list(distinct_pairs.iterate_pairs(c)))
    assert pairs == [pair, DistinctPair(B, C, 5.0)]
    found = {
        digest: await known.run(lambda c, digest=digest: distinct_pairs.find_distinct(c, digest))
        for digest in (A, B, C)
    }
    assert found == {A: {B}, B: {A, C}, C: {B}}
    apart = [
        await known.run(lambda c, group=group: distinct_pairs.are_apart(c, group))
        for group in ([A, B], [A, C], [B], [A, C, B])
    ]
    assert apart == [True, False, False, True]


async def test_one_of_the_two_must_be_known(database):
    """A slip of the pen would be silent otherwise."""
    with pytest.raises(NotFound):
        await say(database, A, B)


async def test_it_can_be_taken_back(known):
    """Once; then nobody has said it."""
    await say(known, A, B)
    for was_there in (True, False):
        assert await known.run(lambda c: distinct_pairs.remove_pair(c, B, A)) is was_there
    assert await known.run(lambda c: distinct_pairs.find_distinct(c, A)) == set()
