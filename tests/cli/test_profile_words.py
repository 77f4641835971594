"""What a profile promises, in words."""

from __future__ import annotations

import pytest

from lodestone.cli.profile_words import learned_text, percent_text, plain_share, promise_lines
from lodestone.novelty.v1.profile_pb2 import Profile, ShareEstimate

KEEP = ShareEstimate(expected=0.921, low=0.727, high=0.9990, confidence=0.95)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.921, "92%"),
        (0.1, "10%"),
        (0.023, "2.3%"),
        (0.004, "0.4%"),
        (0.00012, "0.01%"),
        (0.9949, "99.5%"),
        (0.9999, "over 99.9%"),
    ],
)
def test_a_share_keeps_the_digits_that_a_person_needs(share, text):
    """Whole percents in the middle, more at the ends; all and nothing only where it is so."""
    assert percent_text(share) == text


def test_a_share_has_its_interval_in_brackets():
    """Expected, low and high."""
    assert plain_share(KEEP) == "92% (73% to 99.9%)"


def test_promises_are_those_that_are_known():
    """Both, one, or none; the brackets are explained where there are some."""
    both = Profile(expected_keep=KEEP, expected_pass=ShareEstimate(expected=0.023, high=0.161))
    assert promise_lines(both) == [
        "Keeps 92% (73% to 99.9%) of photos like yours.",
        "About 2.3% (0% to 16%) of ordinary photos pass.",
        "In brackets: with 95% confidence.",
    ]
    assert len(promise_lines(Profile(expected_keep=KEEP))) == 2
    assert promise_lines(Profile()) == []


def test_what_a_profile_was_learned_from():
    """With and without a background."""
    assert learned_text(Profile(liked_count=1)) == "learned from 1 liked photo"
    text = learned_text(Profile(liked_count=1800, background_count=21))
    assert text == "learned from 1,800 liked photos, compared with 21 ordinary ones"
