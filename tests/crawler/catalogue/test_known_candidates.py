from __future__ import annotations

import pytest

from services.crawler.catalogue import crawls, frontier, images, judgements, known_candidates
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.images import Keep
from services.crawler.catalogue.known_candidates import RejudgeTerms
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.servicekit.embedding import Precision
from tests.crawler.subjects import (
    DETECTOR_ID,
    ENCODER_ID,
    decoded_candidate,
    detection,
    embedding,
    score,
)

V1, V2, V3 = (ProfileVersion("landscapes", version) for version in (1, 2, 3))
TERMS = RejudgeTerms(V3, ENCODER_ID, frozenset({Precision.FP32}), DETECTOR_ID)


def digest(number):
    return f"{9 - number}" * 64


@pytest.fixture
async def listing_ids(database):
    """Four candidates, each with two listings; those with an odd number come later in the frontier."""

    def work(connection):
        crawls.create_crawl(connection, "c", CrawlRequest("r", ("urls:/a",), V1), now=1.0)
        numbers = (0, 2, 1, 3, 0, 1, 2, 3)
        found = [
            Listing("urls:/a", f"http://h.example/{number}-{place}.jpg")
            for place, number in enumerate(numbers)
        ]
        frontier.add_listings(connection, "c", found, now=1.0)
        leased = frontier.lease(connection, "c", LeaseTerms("me", 2.0, 60.0), limit=9)
        for one, number in zip(leased, numbers, strict=True):
            outcome = Outcome(OutcomeState.FETCHED, None, "", "", digest(number), 9, 3.0)
            frontier.record_outcomes(connection, {one.listing_id: outcome})
        for number in range(4):
            judgements.record_candidates(
                connection,
                [
                    judgements.Learned(
                        digest(number),
                        decoded_candidate(number),
                        9 + number,
                        Evidence(embedding(number), None, detection()),
                    )
                ],
            )
        return [one.listing_id for one in leased]

    return await database.run(work)


def pages(database, limit, terms=TERMS):
    def work(connection):
        found, after = [], 0
        while page := known_candidates.list_known(connection, terms, after=after, limit=limit):
            assert len(page) <= limit
            found += page
            after = page[-1].position
        return found

    return database.run(work)


@pytest.mark.parametrize("limit", [1, 3, 4, 9])
async def test_pages_hold_each_candidate_once(database, listing_ids, limit):
    """In the order in which they were judged first, with the first of their listings."""
    found = await pages(database, limit)
    assert [one.digest for one in found] == [digest(number) for number in range(4)]
    assert [one.size_bytes for one in found] == [9, 10, 11, 12]
    first = [listing_ids[place] for place in (0, 2, 1, 3)]
    assert [one.leased.listing_id for one in found] == first
    assert all(one.is_listed for one in found)
    values = found[2].evidence.embedding.values
    assert values.tobytes() == embedding(2).values.tobytes()
    assert found[2].decoded.mirrored == decoded_candidate(2).mirrored


async def test_judgements_of_this_and_earlier_versions(database, listing_ids):
    """The version's own, and the newest before it; later versions and other names do not count."""
    judged = [(V1, 0), (V2, 0), (V1, 1), (V3, 1), (ProfileVersion("sunsets", 2), 2)]

    def record(connection):
        for profile, number in judged:
            judgement = Judgement(Verdict.OFF_PROFILE, str(profile), Evidence(score=score(-1.0)))
            judgements.add_judgements(connection, profile, {digest(number): judgement}, now=1.0)

    await database.run(record)
    found = await pages(database, 9)
    assert [one.judged and one.judged.reason for one in found] == [None, "landscapes@3", None, None]
    before = [one.before for one in found]
    assert [one and one.profile for one in before] == [V2, V1, None, None]
    assert before[0].judgement.evidence.score == score(-1.0)


async def test_only_evidence_that_serves_the_terms(database, listing_ids):
    """Another encoder's, precision's or detector's is left out."""
    for terms, has in (
        (TERMS, (True, True)),
        (RejudgeTerms(V3, "f" * 64, TERMS.precisions, DETECTOR_ID), (False, True)),
        (RejudgeTerms(V3, ENCODER_ID, frozenset({Precision.FP16}), DETECTOR_ID), (False, True)),
        (RejudgeTerms(V3, ENCODER_ID, TERMS.precisions, "f" * 64), (True, False)),
    ):
        evidence = (await pages(database, 9, terms))[0].evidence
        assert (evidence.embedding is not None, evidence.detection is not None) == has


async def test_kept_under_the_name_by_any_version(database, listing_ids):
    """And by no other name."""

    def keep(connection):
        for number, name in ((0, "landscapes"), (1, "sunsets")):
            outcome = Outcome(OutcomeState.FETCHED, None, "", "", digest(number), 9, 3.0)
            images.record_images(
                connection, [images.StoredImage(digest(number), listing_ids[0], outcome)], now=1.0
            )
            profile = ProfileVersion(name, 1)
            kept = Keep(digest(number), profile, listing_ids[0], f"{number}.jpg", 1.0)
            images.keep(connection, [kept])

    await database.run(keep)
    assert [one.kept for one in await pages(database, 9)] == [True, False, False, False]


async def test_listings_whose_bytes_are_gone(database, listing_ids):
    """The next listing that has them stands in, then the one that they are kept for, then none."""

    def lose(*places):
        def work(connection):
            gone = Outcome(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, "404", "", "", 0, 4.0)
            for place in places:
                frontier.record_outcomes(connection, {listing_ids[place]: gone})

        return database.run(work)

    await lose(0)
    first = (await pages(database, 9))[0]
    assert first.leased.listing_id == listing_ids[4]
    await lose(4)
    assert (await pages(database, 9))[0].leased is None
    outcome = Outcome(OutcomeState.FETCHED, None, "", "", digest(0), 9, 3.0)
    await database.run(
        lambda c: images.record_images(
            c, [images.StoredImage(digest(0), listing_ids[0], outcome)], now=1.0
        )
    )
    first = (await pages(database, 9))[0]
    assert first.leased.listing_id == listing_ids[0]
    assert not first.is_listed


async def test_a_host_that_is_away_may_still_have_the_bytes(database, listing_ids):
    """A failure that may pass loses nothing: its listing can be leased again, with that failure as its outcome."""

    def fail(connection):
        away = Outcome(OutcomeState.FAILED, OutcomeReason.HOST_DOWN, "away", "", "", 0, 4.0)
        for place in (0, 4):
            frontier.record_outcomes(connection, {listing_ids[place]: away})

    await database.run(fail)
    first = (await pages(database, 9))[0]
    assert first.leased.listing_id == listing_ids[0]
    assert first.is_listed
    assert (first.leased.outcome.reason, first.leased.outcome.digest) == (
        OutcomeReason.HOST_DOWN,
        "",
    )
