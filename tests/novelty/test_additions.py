from __future__ import annotations

from services.novelty.additions import Additions
from services.servicekit.embedding import Precision
from tests.novelty.thumbnail_samples import precision_check

BF16, FP16 = Precision.BF16, Precision.FP16


def test_what_was_admitted_is_scored():
    """And nothing else."""
    additions = Additions(thumbnail_count=9, precision_checks=(precision_check(BF16),))
    assert additions.why_not(BF16) == ""
    assert additions.why_not(FP16) != ""


def test_what_moved_verdicts_is_refused_with_the_numbers():
    """The measured shift, and the cure."""
    check = precision_check(BF16, moved_count=2, max_shift_nats=28.123, median_shift_nats=2.3)
    why = Additions(thumbnail_count=9, precision_checks=(check,)).why_not(BF16)
    assert "of 9 thumbnails 2 had another verdict" in why
    assert "up to 28.1 nats (median 2.3)" in why
    assert why.endswith("`lodestone profile refit NAME --photos DIR` is the cure")


def test_what_was_not_looked_at_says_what_to_do():
    """Embed the thumbnails, which a crawler does by itself."""
    why = Additions(thumbnail_count=9).why_not(BF16)
    assert why.startswith("nobody has looked yet; embed its 9 thumbnails in BF16")
    damaged = Additions(thumbnail_count=9, damaged_checks={BF16: "precision-bf16.json is a link"})
    assert damaged.why_not(BF16).startswith("precision-bf16.json is a link; embed its 9")
    assert damaged.why_not(FP16).startswith("nobody has looked yet")


def test_what_cannot_be_looked_at_says_why():
    """Too few thumbnails, or damaged ones."""
    assert Additions(thumbnail_count=7).why_not(BF16).startswith("7 thumbnails are too few")
    why = Additions(damage="thumbnails/thumbnails.json is missing").why_not(BF16)
    assert "thumbnails/thumbnails.json is missing" in why
    assert why.endswith("`lodestone profile refit NAME --photos DIR` is the cure")
