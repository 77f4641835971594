from __future__ import annotations

from dataclasses import replace

import pytest

from services.crawler.catalogue import crawls, frontier, images, judgements, reports
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.reports import Failures, SourceYield
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from tests.crawler.subjects import accepted, decoded_candidate

PROFILE = ProfileVersion("p", 1)
TERMS = LeaseTerms("me", 2.0, 9.0)
SOURCE = "reddit:r/all"
COMMUNITIES = ("reddit:r/a", "reddit:r/b")


def fetched(digest):
    return Outcome(OutcomeState.FETCHED, None, "", "http://x/", digest, 100, 5.0, work_s=0.5)


def failed(reason, size_bytes):
    return Outcome(OutcomeState.FAILED, reason, "no", "", "", size_bytes, 5.0, work_s=0.5)


ENDS = [
    (fetched("d1"), Verdict.ACCEPTED),
    (fetched("d2"), Verdict.ACCEPTED),
    (fetched("d3"), Verdict.WATERMARKED),
    (fetched("d4"), Verdict.OFF_PROFILE),
    (fetched("d5"), Verdict.DUPLICATE),
    (failed(OutcomeReason.TOO_SMALL, 100), None),
    (failed(OutcomeReason.TRUNCATED, 100), None),
    (failed(OutcomeReason.NOT_FOUND, 0), None),
    (failed(OutcomeReason.NOT_FOUND, 0), None),
]


@pytest.fixture
async def reported(database):
    """Nine listings of one source, in two communities by turns, that end in every way; and one to do."""

    def work(connection):
        crawls.create_crawl(connection, "c1", CrawlRequest("r1", (SOURCE,), PROFILE), now=1.0)
        found = [
            Listing(SOURCE, f"http://h/{number}.jpg", community=COMMUNITIES[number % 2])
            for number in range(len(ENDS) + 1)
        ]
        frontier.add_listings(connection, "c1", found, now=1.0)
        leased = frontier.lease(connection, "c1", TERMS, limit=len(ENDS))
        for number, (one, (outcome, verdict)) in enumerate(zip(leased, ENDS, strict=True)):
            frontier.record_outcomes(connection, {one.listing_id: outcome})
            if verdict is None:
                continue
            judgement = (
                accepted()
                if verdict is Verdict.ACCEPTED
                else Judgement(verdict, "why", accepted().evidence)
            )
            judgements.record_candidates(
                connection,
                [
                    judgements.Learned(
                        outcome.digest, decoded_candidate(number), 100, judgement.evidence
                    )
                ],
            )
            judgements.add_judgements(connection, PROFILE, {outcome.digest: judgement}, now=5.0)
            if verdict is Verdict.ACCEPTED:
                images.record_images(
                    connection,
                    [images.StoredImage(outcome.digest, one.listing_id, outcome)],
                    now=5.0,
                )

    await database.run(work)
    return database


async def test_a_source_narrows_step_by_step(reported):
    """Found, received, decoded, fetched, new, on profile, clean, accepted; what each accepted image cost."""
    [source] = await reported.run(reports.list_source_yields)
    not_found = Failures(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, 2)
    assert source.failures[0] == not_found
    assert replace(source, failures=()) == SourceYield(
        SOURCE,
        found_count=10,
        received_count=7,
        decoded_count=6,
        fetched_count=5,
        new_count=4,
        on_profile_count=3,
        clean_count=2,
        accepted_count=2,
        size_bytes=700,
        work_s=4.5,
    )
    assert (source.share, source.bytes_per_accepted, source.seconds_per_accepted) == (
        0.4,
        350,
        2.25,
    )


async def test_communities_of_a_source(reported):
    """The same listings by community; the better yield first."""
    found = await reported.run(lambda c: reports.list_source_yields(c, by_community=True))
    assert [(one.source, one.found_count, one.accepted_count) for one in found] == [
        ("reddit:r/b", 5, 1),
        ("reddit:r/a", 5, 1),
    ]
    assert [one.fetched_count for one in found] == [2, 3]


async def test_a_source_without_accepted_images_costs_nothing_each():
    """No division by nought."""
    source = SourceYield(SOURCE, 3, size_bytes=100, work_s=1.0)
    assert (source.share, source.bytes_per_accepted, source.seconds_per_accepted) == (0.0, 0, 0.0)


async def test_copies_and_second_profiles(reported):
    """The same bytes elsewhere are neither new nor accepted there, unless another profile keeps them for them."""

    def work(connection):
        copies = [Listing("folder:/copies", f"file:///copies/{number}.jpg") for number in (1, 2)]
        frontier.add_listings(connection, "c1", copies, now=1.0)
        leased = frontier.lease(connection, "c1", TERMS, limit=99)
        ids = [one.listing_id for one in leased if one.listing.source == "folder:/copies"]
        for listing_id in ids:
            frontier.record_outcomes(connection, {listing_id: fetched("d1")})
        other = ProfileVersion("other", 1)
        images.keep(connection, [images.Keep("d1", other, ids[1], "d1.jpg", 6.0)])
        return reports.list_source_yields(connection)

    found = {one.source: one for one in await reported.run(work)}
    copies = found["folder:/copies"]
    assert (copies.fetched_count, copies.new_count, copies.accepted_count) == (2, 1, 1)
    assert (found[SOURCE].new_count, found[SOURCE].accepted_count) == (4, 2)
