from __future__ import annotations

from dataclasses import replace

from services.crawler.seen.seen_images import SeenImages
from services.crawler.verifying.judgement_checks import stated_distances
from tests.crawler.subjects import decoded_candidate


def test_the_reason_of_a_duplicate_states_its_distances():
    """What finds duplicates words them so that they can be read again."""
    seen, first = SeenImages(), decoded_candidate(1)
    seen.add_kept("a" * 64, first.fingerprint)
    near = replace(first.fingerprint, hash64=first.fingerprint.hash64 ^ 0b101)
    sighting = seen.find("hills", "b" * 64, replace(first, fingerprint=near))
    assert stated_distances(sighting.reason) == (2, 0)


def test_the_reason_of_the_same_bytes_states_none():
    """There is nothing to measure."""
    seen, first = SeenImages(), decoded_candidate(1)
    seen.mark("hills", "a" * 64, first.fingerprint)
    sighting = seen.find("hills", "a" * 64, first)
    assert stated_distances(sighting.reason) is None
