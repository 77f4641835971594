from __future__ import annotations

import pytest

from services.crawler.catalogue import crawls, frontier, images, judgements, kept_images
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.digest_prefixes import AmbiguousDigest
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.images import Keep
from services.crawler.judgement import Evidence, ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.servicekit.errors import NotFound
from tests.crawler.subjects import decoded_candidate

LANDSCAPES, CATS = ProfileVersion("landscapes", 2), ProfileVersion("cats", 1)
DIGESTS = [
    f"{start}{number:056x}" for number, start in enumerate(["aaaaaaaa", "aaaaaaab", "ffffffff"])
]


@pytest.fixture
async def catalogue(database):
    """Three images kept for `landscapes`, the second one for `cats` too, and one that no profile keeps any more."""

    def fill(connection):
        request = CrawlRequest("r1", ("folder:/a",), LANDSCAPES)
        crawls.create_crawl(connection, "c1", request, now=1.0)
        found = [Listing("folder:/a", f"file:///a/{number}.jpg") for number in range(4)]
        frontier.add_listings(connection, "c1", found, now=1.0)
        leased = frontier.lease(connection, "c1", LeaseTerms("me", 2.0, 60.0), limit=4)
        for one, digest in zip(leased, [*DIGESTS, "f" * 64], strict=True):
            outcome = Outcome(OutcomeState.FETCHED, None, "", one.listing.url, digest, 7, 3.0)
            judgements.record_candidates(
                connection, [judgements.Learned(digest, decoded_candidate(1), 7, Evidence())]
            )
            images.record_images(
                connection, [images.StoredImage(digest, one.listing_id, outcome)], now=3.0
            )
            for profile in (LANDSCAPES, CATS):
                if profile == LANDSCAPES or digest == DIGESTS[1]:
                    kept = Keep(digest, profile, one.listing_id, f"{digest}.jpg", 4.0)
                    if digest != "f" * 64:
                        images.keep(connection, [kept])

    await database.run(fill)
    return database


async def listed(catalogue, name, count):
    def work(connection):
        after = kept_images.before_newest(connection, name, count)
        return kept_images.list_kept(connection, name, after=after)

    kept = await catalogue.run(work)
    return [(DIGESTS.index(one.digest), one.profile.name) for one in kept]


async def test_the_newest_are_the_last_of_the_list(catalogue):
    """An image under two profiles counts twice where all are listed, and once in its profile's list."""
    everything = [(0, "landscapes"), (1, "cats"), (1, "landscapes"), (2, "landscapes")]
    for count in range(1, 6):
        assert await listed(catalogue, "", count) == everything[-count:]
    assert await listed(catalogue, "landscapes", 2) == [(1, "landscapes"), (2, "landscapes")]
    assert await listed(catalogue, "cats", 2) == [(1, "cats")]
    assert await listed(catalogue, "nobody", 2) == []


async def test_an_image_is_found_by_the_beginning_of_its_digest(catalogue):
    """Eight digits are enough where no other kept image begins so; every profile that keeps it is there, by name."""

    async def names(prefix):
        kept = await catalogue.run(lambda c: kept_images.get_kept(c, prefix))
        return [(one.digest, one.profile.name) for one in kept]

    assert await names("aaaaaaaa") == [(DIGESTS[0], "landscapes")]
    assert await names(DIGESTS[1]) == [(DIGESTS[1], "cats"), (DIGESTS[1], "landscapes")]
    # The other digest that begins so is in the store, but under no profile.
    assert await names("ffffffff") == [(DIGESTS[2], "landscapes")]


async def test_digests_that_are_not_there_or_begin_alike(catalogue):
    """Both are typed errors that name what was given."""
    with pytest.raises(NotFound) as missing:
        await catalogue.run(lambda c: kept_images.get_kept(c, "f" * 64))
    assert missing.value.name == "f" * 64
    with pytest.raises(AmbiguousDigest) as several:
        await catalogue.run(lambda c: kept_images.get_kept(c, "aaaaaaa"))
    assert several.value.prefix == "aaaaaaa"
