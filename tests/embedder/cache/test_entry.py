from __future__ import annotations

import pytest

from services.embedder.cache.entry import Entry
from tests.embedder.cache.embeddings import digest, entry


def test_an_entry_is_what_it_was():
    """Every bit of the embedding, and the size of the image."""
    assert Entry.unsealed(digest(1), entry(1).sealed()) == entry(1)


def test_every_wrong_bit_is_found():
    """In the head, the checksum and the embedding."""
    sealed = entry(1, dimension=4).sealed()
    for place in range(len(sealed) * 8):
        wrong = bytearray(sealed)
        wrong[place // 8] ^= 1 << place % 8
        assert Entry.unsealed(digest(1), bytes(wrong)) is None


@pytest.mark.parametrize("length", [0, 15, 16, 2063])
def test_a_cut_entry_is_none(length):
    """Wherever it was cut."""
    assert Entry.unsealed(digest(1), entry(1).sealed()[:length]) is None


def test_what_is_no_entry_of_this_image_is_none():
    """Another image's, or what a damaged file gives instead of bytes."""
    assert Entry.unsealed(digest(2), entry(1).sealed()) is None
    for other in (None, 7, "text"):
        assert Entry.unsealed(digest(1), other) is None
