from __future__ import annotations

import pytest

from lodestone.crawler.v1 import crawl_pb2, kept_image_pb2, outcome_pb2
from lodestone.image.v1 import rejection_pb2, verdict_pb2
from services.crawler.catalogue.crawl_sources import CrawlSource
from services.crawler.catalogue.crawls import Count, Crawl, CrawlRequest, CrawlState, SettledListing
from services.crawler.catalogue.frontier import Outcome
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.rpc.messages import crawl_to_message, judgement_to_message, settled_to_message
from services.crawler.screen import Screen
from services.crawler.store.file_state import FileState
from services.servicekit.rejection import RejectionCode
from tests.crawler.subjects import accepted, decoded_candidate

PROFILE = ProfileVersion("landscapes", 2)
LISTING = Listing("folder:/a", "file:///a/1.jpg", "one")


@pytest.mark.parametrize(
    ("words", "enum", "prefix"),
    [
        (Verdict, verdict_pb2.Verdict, "VERDICT_"),
        (OutcomeState, outcome_pb2.OutcomeState, "OUTCOME_STATE_"),
        (OutcomeReason, outcome_pb2.OutcomeReason, "OUTCOME_REASON_"),
        (CrawlState, crawl_pb2.CrawlState, "CRAWL_STATE_"),
        (FileState, kept_image_pb2.FileState, "FILE_STATE_"),
        (RejectionCode, rejection_pb2.RejectionCode, "REJECTION_CODE_"),
    ],
)
def test_words_are_the_contracts(words, enum, prefix):
    """The domain's closed sets and the contract's enums have the same names."""
    names = {name.removeprefix(prefix) for name in enum.keys()}  # noqa: SIM118 - an enum wrapper is no dict
    assert {word.name for word in words} == names - {"UNSPECIFIED"}


def test_scores_that_were_not_computed_are_absent():
    """Absent is not zero: a rejected image has no percentile of 0."""
    judgement = Judgement(Verdict.DUPLICATE, "seen", Evidence(), "f" * 64)
    message = judgement_to_message(judgement, decoded_candidate(1), "a" * 64, PROFILE)
    for name in ("log_likelihood", "percentile", "watermark_probability"):
        assert not message.HasField(name)
    assert list(message.quadrant_probabilities) == []
    full = judgement_to_message(accepted(), decoded_candidate(1), "a" * 64, PROFILE)
    assert full.HasField("log_likelihood")
    assert len(full.quadrant_probabilities) == 4
    assert len(full.perceptual_hash) == 16


def test_the_same_bytes_again_are_a_duplicate():
    """A repeated listing names the digest that it repeats; its scores stay."""
    outcome = Outcome(OutcomeState.FETCHED, None, "", "x", "a" * 64, 9, 1.0)
    judged = (decoded_candidate(1), accepted())
    first = SettledListing(1, LISTING, outcome, known=False, repeated=False)
    again = SettledListing(2, LISTING, outcome, known=False, repeated=True)
    assert (
        settled_to_message(first, judged, PROFILE).judgement.verdict == verdict_pb2.VERDICT_ACCEPTED
    )
    message = settled_to_message(again, judged, PROFILE).judgement
    assert message.verdict == verdict_pb2.VERDICT_DUPLICATE
    assert message.duplicate_of_digest == "a" * 64
    assert message.HasField("log_likelihood")


def test_a_failed_listing_has_no_judgement():
    """Its outcome says why."""
    outcome = Outcome(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, "404", "", "", 0, 1.0)
    message = settled_to_message(SettledListing(1, LISTING, outcome, False, False), None, PROFILE)
    assert not message.HasField("judgement")
    assert message.outcome.reason == outcome_pb2.OUTCOME_REASON_NOT_FOUND


def test_counts_add_up():
    """Known and fetched, outcomes and verdicts are summed from the same rows."""
    counts = [
        Count(OutcomeState.FETCHED, None, Verdict.ACCEPTED, known=False, count=3),
        Count(OutcomeState.FETCHED, None, Verdict.ACCEPTED, known=True, count=2),
        Count(OutcomeState.FAILED, OutcomeReason.TIMEOUT, None, known=False, count=4),
        Count(OutcomeState.FAILED, OutcomeReason.TIMEOUT, None, known=True, count=1),
    ]
    request = CrawlRequest("r", ("folder:/a",), PROFILE)
    crawl = Crawl("c", request, CrawlState.RUNNING, "", 12, 10, 1.0)
    progress = crawl_to_message(crawl, counts, Screen()).progress
    assert (progress.found_count, progress.settled_count) == (12, 10)
    assert (progress.fetched_count, progress.known_count) == (3, 3)
    assert [(one.verdict, one.count) for one in progress.verdict_counts] == [
        (verdict_pb2.VERDICT_ACCEPTED, 5)
    ]
    assert [one.count for one in progress.outcome_counts] == [5]


@pytest.mark.parametrize(("listed", "repeated"), [(15, 3), (12, 0), (11, 0)])
def test_what_the_sources_left_out(listed, repeated):
    """Repeated is what was listed and not found, and never negative."""
    request = CrawlRequest("r", ("urls:/a.csv",), PROFILE)
    sources = (CrawlSource(0, "urls:/a.csv", listed_count=listed, skipped_count=4),)
    crawl = Crawl("c", request, CrawlState.RUNNING, "", 12, 10, 1.0, sources)
    progress = crawl_to_message(crawl, [], Screen()).progress
    assert (progress.skipped_count, progress.repeated_count) == (4, repeated)


def test_a_crawl_tells_the_screen():
    """The limits are those that the crawler has now, not the defaults."""
    crawl = Crawl(
        "c", CrawlRequest("r", ("folder:/a",), PROFILE), CrawlState.RUNNING, "", 0, 0, 1.0
    )
    limits = crawl_to_message(crawl, [], Screen(99, 4.5, 1.5)).screen_limits
    assert (limits.min_pixels, limits.max_width_ratio, limits.max_height_ratio) == (99, 4.5, 1.5)
