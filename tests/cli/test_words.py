"""Words and texts made fit to print."""

from __future__ import annotations

from lodestone.cli.words import (
    count_of,
    nats_text,
    one_line,
    printable,
    reference,
    share_text,
    spoken,
    word,
)
from lodestone.crawler.v1.outcome_pb2 import OutcomeReason
from lodestone.image.v1.verdict_pb2 import Verdict
from lodestone.novelty.v1.profile_pb2 import Profile, ShareEstimate


def test_enum_values_lose_their_prefix():
    """Also where the prefix has several words; values of a newer server keep their number."""
    assert word(Verdict, Verdict.VERDICT_OFF_PROFILE) == "OFF_PROFILE"
    assert word(OutcomeReason, OutcomeReason.OUTCOME_REASON_BAD_URL) == "BAD_URL"
    assert word(Verdict, 99) == "UNKNOWN_99"
    assert spoken("OFF_PROFILE") == "off profile"


def test_control_characters_do_not_reach_a_terminal():
    """Escape, bell, line breaks, right-to-left marks and broken encodings become a replacement."""
    assert printable("a\x1b[31mb\x07\n\u202ec\udc80é") == "a�[31mb���c�é"
    assert one_line("two\n  lines\x1b") == "two lines�"


def test_nats_are_never_too_wide():
    """Log-likelihoods have two digits, and as much as no log-likelihood is has an exponent."""
    assert nats_text(-1234.5) == "-1,234.50"
    assert nats_text(1234.5, 0) == "1,234"
    assert nats_text(1e308) == "1e+308"


def test_counts_have_their_plural():
    """One image, 1,000 images."""
    assert [count_of(number, "image") for number in (0, 1, 1000)] == [
        *("0 images", "1 image", "1,000 images")
    ]


def test_shares_have_their_interval():
    """In percent, with one decimal."""
    share = ShareEstimate(expected=0.943, low=0.861, high=0.987, confidence=0.95)
    assert share_text(share) == "94.3% (86.1% to 98.7% with 95% confidence)"


def test_a_version_has_a_reference():
    """Name and number."""
    assert reference(Profile(name="landscapes", version=2)) == "landscapes@2"
