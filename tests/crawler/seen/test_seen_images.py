from __future__ import annotations

from services.crawler.seen.seen_images import SeenImages
from tests.crawler.subjects import decoded_candidate, random_fingerprint

ONE, OTHER = "1" * 64, "2" * 64


def test_kept_images_count_under_every_profile():
    """A near copy of a kept image is found whatever the profile; the same bytes are no copy of themselves."""
    seen = SeenImages()
    candidate = decoded_candidate(1)
    seen.add_kept(ONE, candidate.fingerprint)
    assert seen.find("any", OTHER, candidate).digest == ONE
    assert seen.find("any", ONE, candidate) is None
    assert seen.find("any", OTHER, decoded_candidate(2)) is None


def test_marked_images_count_under_their_profile():
    """A liked photo is seen under its own profile's name only, also as the same bytes and when it is flat."""
    seen = SeenImages()
    candidate = decoded_candidate(1, fingerprint=random_fingerprint(1, flat=True))
    seen.mark("mine", ONE, candidate.fingerprint)
    assert seen.find("mine", ONE, candidate).digest == ONE
    assert seen.find("theirs", ONE, candidate) is None
    assert seen.find("mine", OTHER, candidate) is None, "flat images are compared by digest only"


def test_marking_twice_is_once():
    """The index does not grow when a profile is fitted again."""
    seen = SeenImages()
    for _ in range(3):
        seen.mark("mine", ONE, random_fingerprint(1))
    assert len(seen._marked["mine"]) == 1
