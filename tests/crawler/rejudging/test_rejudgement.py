from __future__ import annotations

import pytest

from services.crawler.catalogue.frontier import LeasedListing, Outcome
from services.crawler.catalogue.known_candidates import EarlierJudgement, KnownCandidate
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.rejudging.rejudgement import Reconsidered, RejudgeAction
from tests.crawler.subjects import decoded_candidate

DIGEST = "a" * 64
KEEP, FETCH, STAYS_KEPT = RejudgeAction.KEEP, RejudgeAction.FETCH, RejudgeAction.STAYS_KEPT
RECORD, UNREACHABLE = RejudgeAction.RECORD, RejudgeAction.UNREACHABLE


def reconsidered(before, after, *, kept=False, is_listed=True, is_whole=True):
    earlier = before and EarlierJudgement(ProfileVersion("l", 1), Judgement(Verdict(before), ""))
    outcome = Outcome(OutcomeState.FETCHED, None, "", "", DIGEST, 9, 1.0)
    leased = LeasedListing(1, Listing("urls:/a", "http://a/1.jpg"), 0, outcome)
    decoded = decoded_candidate(1)
    known = KnownCandidate(
        1, DIGEST, 9, decoded, Evidence(), None, earlier, kept, leased, is_listed
    )
    return Reconsidered(known, Judgement(Verdict(after), ""), is_whole)


@pytest.mark.parametrize(
    ("before", "after", "kept", "stored", "action"),
    [
        ("OFF_PROFILE", "ACCEPTED", False, True, KEEP),
        ("OFF_PROFILE", "ACCEPTED", False, False, FETCH),
        (None, "ACCEPTED", False, True, KEEP),
        (None, "ACCEPTED", False, False, FETCH),
        ("ACCEPTED", "ACCEPTED", True, True, None),
        ("ACCEPTED", "ACCEPTED", True, False, None),
        (None, "ACCEPTED", True, True, None),
        ("OFF_PROFILE", "ACCEPTED", True, True, KEEP),
        ("ACCEPTED", "OFF_PROFILE", True, True, STAYS_KEPT),
        ("OFF_PROFILE", "OFF_PROFILE", True, True, STAYS_KEPT),
        (None, "WATERMARKED", True, True, STAYS_KEPT),
        ("OFF_PROFILE", "OFF_PROFILE", False, False, None),
        ("WATERMARKED", "OFF_PROFILE", False, False, RECORD),
        (None, "DUPLICATE", False, False, RECORD),
    ],
)
def test_what_is_done(before, after, kept, stored, action):
    """By the verdict before and after, whether it is kept under the name, and whether its bytes are there."""
    assert reconsidered(before, after, kept=kept).action(stored=stored) is action


def test_what_lacks_pixels_is_fetched():
    """Its bytes are in the store, but a gate has not judged it yet."""
    found = reconsidered("OFF_PROFILE", "ACCEPTED", is_whole=False)
    assert found.action(stored=True) is FETCH


def test_what_no_listing_has_any_more():
    """Its address brought something else since, or nothing: there is nowhere to fetch it from."""
    found = reconsidered("OFF_PROFILE", "ACCEPTED", is_listed=False)
    assert found.action(stored=False) is UNREACHABLE
    assert found.action(stored=True) is KEEP
