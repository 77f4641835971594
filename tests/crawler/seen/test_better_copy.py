from __future__ import annotations

from dataclasses import replace

import pytest

from services.crawler.seen.better_copy import (
    CopyFacts,
    NearImage,
    NearImages,
    detail_to_show,
    first_of_each,
    why_better,
    why_to_replace,
)
from services.crawler.seen.seen_images import Memory, Sighting
from tests.crawler.subjects import DETECTOR_ID, accepted, decoded_candidate, detection

MINE = frozenset({"mine"})


def facts(width_px=2000, height_px=1000, probability=0.125, detector_id=DETECTOR_ID):
    return CopyFacts(width_px, height_px, probability, detector_id)


def kept(digest="a", *, names=MINE, end="", of=None):
    return NearImage(digest, of or facts(), frozenset(names), end or digest)


def near(*accepted_images, memory=Memory.KEPT, others=(), apart=False):
    sightings = [Sighting(one.digest, "near", memory) for one in accepted_images]
    return NearImages((*sightings, *others), accepted_images, apart)


TWO_MEGAPIXELS = 2_000_000


@pytest.mark.parametrize(
    ("candidate", "detail_px", "is_better"),
    [
        (facts(4000, 1000), TWO_MEGAPIXELS, True),
        (facts(3999, 1000), TWO_MEGAPIXELS, False),
        (facts(4000, 1000), TWO_MEGAPIXELS - 1, False),
        (facts(4000, 1000), 0, False),
        (facts(4000, 1000, 0.374), TWO_MEGAPIXELS, True),
        (facts(4000, 1000, 0.375), TWO_MEGAPIXELS, False),
        (facts(4000, 1000, 0.4, "of another detector"), TWO_MEGAPIXELS, True),
        (facts(4000, 1000, None), TWO_MEGAPIXELS, True),
        (facts(2000, 1000), TWO_MEGAPIXELS, False),
    ],
)
def test_twice_the_pixels_with_their_detail_are_better(candidate, detail_px, is_better):
    """Exactly twice, shown to hold more than the other can, and no more of a watermark."""
    assert bool(why_better(candidate, detail_px, near(kept()))) == is_better


@pytest.mark.parametrize(
    ("candidate", "detail_px", "is_better"),
    [
        (facts(probability=0.25), 1_000_000, True),
        (facts(probability=0.26), 1_000_000, False),
        (facts(probability=0.25), 999_999, False),
        (facts(1800, 1000, 0.25), 1_000_000, True),
        (facts(1799, 1000, 0.25), 1_000_000, False),
        (facts(2000, 1000, 0.25, "of another detector"), 1_000_000, False),
        (facts(2000, 1000, None), 1_000_000, False),
    ],
)
def test_the_same_size_with_less_of_a_watermark_is_better(candidate, detail_px, is_better):
    """By a quarter at least as one detector sees both, and not enlarged from half of the pixels."""
    marked = near(kept(of=facts(probability=0.5)))
    assert bool(why_better(candidate, detail_px, marked)) == is_better


def test_detail_is_asked_for_only_where_it_may_help():
    """The most that any of the near ones can hold; nothing where one of them is no worse whatever comes."""
    small, marked = kept("a", of=facts(1000, 1000)), kept("b", of=facts(2000, 2000, 0.3))
    assert detail_to_show(facts(2000, 2000, None), near(small)) == 1_000_000
    assert detail_to_show(facts(2000, 2000, None), near(small, marked)) == 2_000_000
    assert (
        detail_to_show(facts(2000, 2000, None), near(small, kept("c", of=facts(2000, 2000)))) == 0
    )
    assert detail_to_show(facts(1000, 1000, None), near(small)) == 0
    assert detail_to_show(facts(), NearImages()) == 0


def test_all_that_is_near_must_be_worse():
    """One that is as good is enough, also one that was replaced before."""
    small, large = kept("a", of=facts(1000, 1000)), kept("b", of=facts(4000, 1000))
    candidate = facts(4000, 1000)
    assert why_better(candidate, TWO_MEGAPIXELS, near(small)).startswith("4000x1000 pixels")
    assert why_better(candidate, TWO_MEGAPIXELS, near(small, large)) == ""
    was_replaced = replace(large, kept_for=frozenset(), end="a")
    assert why_better(candidate, TWO_MEGAPIXELS, near(small, was_replaced)) == ""


def test_only_what_this_profile_alone_keeps_is_replaced():
    """Not what another keeps, was purged, marked or replaced by something else; nor two that are apart."""
    one = kept()
    replaced = NearImage("b", facts(), frozenset(), "a")
    assert near(one).may_be_replaced("mine")
    assert near(one, kept("b")).may_be_replaced("mine")
    assert near(one, replaced).may_be_replaced("mine")
    assert not near(one).may_be_replaced("theirs")
    assert not near(kept(names={"mine", "theirs"})).may_be_replaced("mine")
    assert not near(one, kept("b"), apart=True).may_be_replaced("mine")
    assert not near(replaced).may_be_replaced("mine")
    assert not near(one, replace(replaced, end="c")).may_be_replaced("mine")
    assert not near(one, memory=Memory.MARKED).may_be_replaced("mine")
    for memory in (Memory.PURGED, Memory.KEPT):
        # The catalogue does not know it as accepted.
        gone = Sighting("c", "near", memory)
        assert not near(one, others=(gone,)).may_be_replaced("mine")
    assert not NearImages().may_be_replaced("mine")


def test_what_was_not_measured_replaces_nothing():
    """An accept whose gates did not ask for detail is a duplicate, however large it is."""
    small = near(kept(of=facts(1000, 1000)))
    evidence = replace(accepted().evidence, detection=detection(0.1))
    decoded = decoded_candidate(1)
    assert why_to_replace("mine", decoded, evidence, small) == ""
    measured = replace(evidence, detail_px=1_000_000)
    assert "2000x1000" in why_to_replace("mine", decoded, measured, small)
    assert why_to_replace("theirs", decoded, measured, small) == ""


def test_an_image_is_sighted_once():
    """By the first of several memories."""
    one, again = Sighting("a", "near", Memory.KEPT), Sighting("a", "nearer", Memory.REPLACED)
    assert first_of_each([one, Sighting("b", "near", Memory.KEPT), again]) == (
        one,
        Sighting("b", "near", Memory.KEPT),
    )
