from __future__ import annotations

import pytest

from services.novelty.liked_images import ImageLabel, NoLikedImages
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import liked_images


@pytest.mark.parametrize(
    "fields",
    [
        ("", ""),
        ("a" * 64, ""),
        ("0123456789abcdef" * 4, "x" * 255),
        ("", "été/photo 1 \u200d\U0001f468.jpg"),
        ("", "a\u00a0b\\\"'<script>"),
    ],
)
def test_good_labels(fields):
    """Either may be empty; a name may have any character that stands for something."""
    label = ImageLabel(*fields)
    assert (label.digest, label.name) == fields


@pytest.mark.parametrize(
    ("digest", "name", "problem"),
    [
        ("a" * 63, "", "its digest is 'aaa"),
        ("a" * 65, "", "not 64 hex digits"),
        ("A" * 64, "", "not 64 hex digits"),
        ("a" * 63 + "\n", "", "not 64 hex digits"),
        ("z" * 10_000, "", "its digest is 'zzz"),
        ("", "x" * 256, "its name has 256 characters, over 255"),
        ("", "a\nb", "its name has a control character: 'a.nb'"),
        ("", "\x00", "control character"),
        ("", "\x1b[31m", "control character"),
        ("", "a\x7f", "control character"),
        ("", "a\x85", "control character"),
        ("", "a\u2028b", "control character"),
    ],
)
def test_bad_labels(digest, name, problem):
    """Each is refused in one short line."""
    with pytest.raises(InvalidInput, match=problem) as caught:
        ImageLabel(digest, name)
    assert len(str(caught.value)) < 150
    assert "\n" not in str(caught.value)


def test_how_many():
    """As many as labels."""
    assert len(liked_images(12)) == 12


def test_a_profile_without_them():
    """Says what to do."""
    error = NoLikedImages("landscapes@1")
    assert error.profile == "landscapes@1"
    assert str(error) == (
        "profile landscapes@1 was fitted before profiles kept their liked images: fit it again"
    )
