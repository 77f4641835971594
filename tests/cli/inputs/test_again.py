"""Collections that are made anew."""

from __future__ import annotations

from lodestone.cli.inputs.again import Again


def test_items_are_made_each_time():
    """Two walks give the same items, from one call each."""
    made = []

    def make():
        made.append(1)
        yield from (1, 2, 3)

    again = Again(3, make)
    assert len(again) == 3
    assert list(again) == list(again) == [1, 2, 3]
    assert len(made) == 2
    assert 2 in again
    assert 4 not in again
