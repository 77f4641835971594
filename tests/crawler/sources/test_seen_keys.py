from __future__ import annotations

import pytest

from services.crawler.sources.seen_keys import SeenKeys


def test_what_was_added_is_known_after_a_restart():
    """Through the text of a cursor, keys of any length and character."""
    seen = SeenKeys(["a", "b" * 10_000])
    seen.add("\ud800 ä")
    again = SeenKeys.read(seen.text)
    assert len(again) == 3
    assert all(key in again for key in ("a", "b" * 10_000, "\ud800 ä"))
    assert "c" not in again
    assert again.text == seen.text


def test_the_oldest_are_forgotten():
    """At most 5,000 keys are written; adding a known one makes it new again."""
    seen = SeenKeys(map(str, range(6_000)))
    seen.add("0")
    assert len(seen.text) == 40_000
    again = SeenKeys.read(seen.text)
    assert "0" in again
    assert "5999" in again
    assert "1" not in again


@pytest.mark.parametrize("text", [None, 7, [], "short", "a" * 9, "ä" * 8, "a" * 8 + "\n", "=" * 8])
def test_a_text_that_is_none_is_empty(text):
    """Whatever a cursor holds in its place."""
    assert not SeenKeys.read(text)
