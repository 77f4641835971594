from __future__ import annotations

from dataclasses import replace

import pytest

from services.novelty.additions import Additions
from services.novelty.profile import OtherEncoder, OtherPrecision, ProfileReference, require_name
from services.servicekit.embedding import Precision
from services.servicekit.errors import InvalidInput, ItemRejected
from services.servicekit.rejection import RejectionCode
from tests.novelty.tastes import ENCODER_ID, OTHER_ENCODER_ID, embedding, profile, taste
from tests.novelty.thumbnail_samples import precision_check

BAD_NAMES = [
    "", "-a", "_a", "A", "a b", "a/b", "..", ".", "a.b", "ä", "a" * 65, "a\n", "a\0", "/a", "~",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(name):
    """What is no name is refused, as a name and inside a reference."""
    with pytest.raises(InvalidInput, match="cannot be a profile's name"):
        require_name(name)
    with pytest.raises(InvalidInput, match="names no profile"):
        ProfileReference.parse(name)


@pytest.mark.parametrize("name", ["a", "0", "landscapes", "a-b_c9", "a" * 64])
def test_good_names(name):
    """Letters, digits, - and _ make a name."""
    require_name(name)
    assert ProfileReference.parse(name) == ProfileReference(name, None)


def test_a_version_in_a_reference():
    """`name@version` names one version, and reads back the same."""
    reference = ProfileReference.parse("landscapes@30")
    assert reference == ProfileReference("landscapes", 30)
    assert str(reference) == "landscapes@30"
    assert str(ProfileReference("landscapes", None)) == "landscapes"


@pytest.mark.parametrize(
    "text", ["a@", "a@0", "a@01", "a@-1", "a@1@2", "a@x", "a@1/..", "a@9999999999", "@1", "a@1\n"]
)
def test_bad_versions(text):
    """A version is a number from 1 without leading zeros."""
    with pytest.raises(InvalidInput, match="names no profile"):
        ProfileReference.parse(text)


@pytest.mark.parametrize(
    ("log_likelihood", "percentile", "accepted"),
    [
        (-100.0, 100 / 6, False),
        (-4.0, 200 / 6, False),
        (-2.5000001, 200 / 6, False),
        (-2.5, 200 / 6, True),
        (-1.0, 500 / 6, True),
        (-0.5, 500 / 6, True),
        (3.0, 100.0, True),
        (3.1, 100.0, True),
    ],
)
def test_scores(log_likelihood, percentile, accepted):
    """The threshold itself passes; the percentile counts the score itself and held-out ones as low."""
    score = taste().score(log_likelihood)
    assert (score.log_likelihood, score.percentile) == (log_likelihood, pytest.approx(percentile))
    assert score.accepted is accepted


def test_comparable_embeddings_are_returned():
    """Same encoder, precision and dimension: the values come back."""
    assert profile().require_comparable(embedding([1, 0, 0, 0])).tolist() == [1, 0, 0, 0]


def test_another_encoder():
    """The error names the profile, what it takes and what came."""
    with pytest.raises(OtherEncoder) as caught:
        profile().require_comparable(embedding([1, 0, 0, 0], encoder_id=OTHER_ENCODER_ID))
    for part in ("landscapes@1", ENCODER_ID, "FP32", OTHER_ENCODER_ID):
        assert part in str(caught.value)


def test_another_precision():
    """Scored if it was admitted; the error says why it was not."""
    odd = embedding([1, 0, 0, 0], precision=Precision.BF16)
    with pytest.raises(OtherPrecision) as caught:
        profile().require_comparable(odd)
    for part in ("landscapes@1", "FP32", "BF16", "0 thumbnails are too few"):
        assert part in str(caught.value)
    admitted = Additions(thumbnail_count=9, precision_checks=(precision_check(),))
    assert replace(profile(), additions=admitted).require_comparable(odd) is odd.values


def test_another_dimension():
    """An embedding of another length is rejected with both lengths."""
    with pytest.raises(ItemRejected, match="3 values, and profile landscapes@1 takes 4") as caught:
        profile().require_comparable(embedding([1, 0, 0]))
    assert caught.value.code is RejectionCode.BAD_EMBEDDING
