"""Purges of images whose listings were fetched again, and gave something else or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from services.crawler.catalogue import frontier, purges, replacements
from services.crawler.catalogue.frontier import Outcome
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.schema import images, listings
from services.crawler.judgement import ProfileVersion
from services.crawler.keyed_lock import KeyedLock
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.purging import PurgeLocks, PurgeRequest, Purging
from tests.crawler.store.replacing_world import Copies, digest_of

GONE = Outcome(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, "404", "", "", 0, 7.0)
OF_FIRST = (
    {"digests": (digest_of(1),)},
    {"digests": (digest_of(1)[:8],)},
    {"url": "http://h/0.jpg"},
    {"source": "urls:/a", "digests": (digest_of(1),)},
    {"author": "Ada 1", "host": "h"},
)


def giving(digest):
    """An outcome with other bytes than before."""
    return Outcome(OutcomeState.FETCHED, None, "", "", digest, 9, 7.0)


class World(Copies):
    """What purges, too."""

    async def keep(self, *numbers):
        """Keeps images of pictures and authors of their own; returns their listings."""
        listed = await self.lease(len(numbers))
        for leased, number in zip(listed, numbers, strict=True):
            by_ada = listings.update().where(listings.c.listing_id == leased.listing_id)
            named = by_ada.values(author=f"Ada {number}")
            await self.database.run(lambda c, named=named: c.execute(named))
            await self.accept(leased, number, picture=number)
        return listed

    async def fetch_again(self, leased, outcome):
        """Writes what a listing gives now."""
        outcomes = {leased.listing_id: outcome}
        await self.database.run(lambda c: frontier.record_outcomes(c, outcomes))

    async def purge(self, *, dry_run=False, gone=False, **named):
        """Returns what was selected, with the addresses."""
        locks = PurgeLocks(KeyedLock(), self.recorder.files)
        purging = Purging(self.database, self.store, self.seen, None, locks)
        request = PurgeRequest(PurgeSelection(**named), dry_run=dry_run, gone=gone)
        return [(one.digest, one.listing.url) async for one, _ in purging.purge(request)]

    async def row(self, leased):
        """What the catalogue has of a listing."""
        names = ("digest", "author", "outcome_state", "outcome_reason")
        query = select(*(listings.c[name] for name in names))
        query = query.where(listings.c.listing_id == leased.listing_id)
        return tuple(await self.database.run(lambda c: c.execute(query).one()))


@pytest.fixture
async def world(tmp_path, place):
    world = World(tmp_path, place)
    await world.begin()
    yield world
    await world.close()


@pytest.mark.parametrize("outcome", [GONE, giving("f" * 64)], ids=["gone", "other bytes"])
async def test_it_is_named_as_before_and_its_address_is_not_asked_again(world, outcome):
    """However it is named; others are not named for it."""
    first, _ = await world.keep(1, 2)
    await world.fetch_again(first, outcome)
    for named in OF_FIRST:
        found = await world.purge(dry_run=True, **named)
        assert found == [(digest_of(1), "http://h/0.jpg")], named
    assert await world.purge(dry_run=True, author="Ada 1", url="http://h/9.jpg") == []
    everything = await world.database.run(lambda c: purges.select_images(c, PurgeSelection()))
    assert [one.digest for one in everything] == [digest_of(1), digest_of(2)]
    assert len(await world.purge(url="http://h/0.jpg")) == 1
    assert await world.kept() == [digest_of(2)]
    blocked = (OutcomeState.BLOCKED.value, OutcomeReason.PURGED.value)
    assert await world.row(first) == (digest_of(1), "", *blocked)


async def test_what_shows_another_kept_image_now_stays_that_one_s(world):
    """It is named for both. Purged alone, the first one leaves the other what is known of it."""
    first, second = await world.keep(1, 2)
    await world.fetch_again(first, giving(digest_of(2)))
    both = await world.purge(dry_run=True, url="http://h/0.jpg")
    assert [digest for digest, _ in both] == [digest_of(1), digest_of(2)]
    before = await world.row(first)
    assert len(await world.purge(digests=(digest_of(1),))) == 1
    assert await world.kept() == [digest_of(2)]
    assert await world.row(first) == before == (digest_of(2), "Ada 1", "FETCHED", None)
    assert len(await world.purge(url="http://h/0.jpg")) == 1
    blocked = (digest_of(2), "", "BLOCKED", "PURGED")
    assert [await world.row(one) for one in (first, second)] == [blocked] * 2


async def test_where_redirects_lead_now_names_no_image_of_before(world):
    """A host leads all that is gone to one picture; an image is named by where it came from."""
    first, second = await world.keep(1, 2)
    came_from = images.update().where(images.c.digest == digest_of(1))
    came_from = came_from.values(final_url="http://cdn/1.jpg")
    await world.database.run(lambda c: c.execute(came_from))
    for leased in (first, second):
        await world.fetch_again(leased, replace(GONE, final_url="http://h/removed.png"))
    assert await world.purge(dry_run=True, url="http://h/removed.png") == []
    found = await world.purge(dry_run=True, url="http://cdn/1.jpg")
    assert [digest for digest, _ in found] == [digest_of(1)]


async def test_a_purge_leaves_the_way_to_another_that_is_not_done(world, monkeypatch):
    """Its address gave both; the files of the second are still to be removed."""
    first, _ = await world.keep(1, 2)
    await world.fetch_again(first, giving(digest_of(2)))

    def away(*_):
        raise StoreAway("/data", "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "remove", away)
        with pytest.raises(StoreAway):
            await world.purge(digests=(digest_of(2),))
    assert len(await world.purge(digests=(digest_of(1),))) == 1
    assert [digest for digest, _ in await world.purge(url="http://h/0.jpg")] == [digest_of(2)]
    assert not world.store.has(digest_of(2))


@pytest.mark.parametrize("shown", [1, 2], ids=["gone", "another kept image"])
async def test_a_purge_that_was_interrupted_goes_on(world, monkeypatch, shown):
    """By the digest at least, without an address if none leads to it."""
    first, _ = await world.keep(1, 2)
    await world.fetch_again(first, GONE if shown == 1 else giving(digest_of(2)))

    def away(*_):
        raise StoreAway("/data", "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "remove", away)
        with pytest.raises(StoreAway):
            await world.purge(digests=(digest_of(1),))
    assert world.store.has(digest_of(1))
    url = "http://h/0.jpg" if shown == 1 else ""
    assert await world.purge(digests=(digest_of(1)[:8],)) == [(digest_of(1), url)]
    assert not world.store.has(digest_of(1))


async def test_the_listing_that_another_profile_kept_it_for_counts_too(world):
    """It is another one than that which it was first fetched for."""
    await world.keep(1)
    sunsets = ProfileVersion("sunsets", 1)
    await world.begin("c2", sunsets)
    [_, listed] = await world.lease(2)
    await world.accept(listed, 1, crawl_id="c2", profile=sunsets)
    await world.fetch_again(listed, GONE)
    address = listed.listing.url
    assert address != "http://h/0.jpg"
    assert await world.purge(url=address) == [(digest_of(1), "http://h/0.jpg")]
    assert (await world.row(listed))[2:] == ("BLOCKED", "PURGED")


async def test_a_better_copy_is_found_by_the_digest_of_what_it_replaced(world):
    """The listings of both are gone; no other address leads to the first one, and that of the better copy ends."""
    one, better = await world.lease(2)
    await world.accept(one, 1)
    await world.accept(better, 2, 2)
    for leased in (one, better):
        await world.fetch_again(leased, replace(GONE, time=8.0))
    for number in (1, 2):
        found = await world.purge(dry_run=True, digests=(digest_of(number),))
        assert found == [(digest_of(2), better.listing.url)]
    assert len(await world.purge(digests=(digest_of(1),))) == 1
    assert await world.kept() == []
    purged = {digest_of(1), digest_of(2)}
    assert await world.database.run(lambda c: purges.find_purged(c, purged)) == purged
    assert await world.database.run(lambda c: replacements.find_replaced(c, purged)) == set()
    assert (await world.row(better))[2:] == ("BLOCKED", "PURGED")
