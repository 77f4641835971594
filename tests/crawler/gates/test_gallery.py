from __future__ import annotations

from dataclasses import replace

import pytest

from services.crawler.gates.gallery import FOUND, GalleryGate, GalleryMatch
from services.crawler.gates.gate import NeedsPixels, judge
from services.crawler.judgement import Verdict
from services.servicekit.errors import Unavailable
from tests.crawler.subjects import subject

SUBJECT = replace(subject(1), encoded=b"picture")


def gate_that(answer):
    async def search(encoded):
        assert encoded == b"picture"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return GalleryGate(search)


async def test_what_the_gallery_has_is_a_duplicate():
    """Without a digest, as it is no image of ours; the reason names the gallery's."""
    judgement = await judge([gate_that(GalleryMatch(7, 12.0))], SUBJECT)
    assert (judgement.verdict, judgement.duplicate_of) == (Verdict.DUPLICATE, "")
    assert judgement.reason == f"{FOUND}: its image 7 at distance 12"


async def test_what_it_has_not_passes():
    """No word about it."""
    judgement = await judge([gate_that(None)], SUBJECT)
    assert (judgement.verdict, judgement.reason) == (Verdict.ACCEPTED, "")


async def test_nobody_can_tell():
    """No verdict: the image is judged later."""
    with pytest.raises(Unavailable):
        await judge([gate_that(Unavailable("the gallery", "down"))], SUBJECT)


async def test_recorded_facts_are_not_enough():
    """The bytes are looked up, so the image must be fetched again."""
    with pytest.raises(NeedsPixels, match="gallery"):
        await judge([gate_that(None)], subject(1))
