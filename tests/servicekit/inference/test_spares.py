from __future__ import annotations

import pytest

from services.servicekit.inference.spares import Spares


def lists():
    return []


def test_what_is_idle_is_lent_again():
    """As many are made as were lent at once, for each key."""
    spares = Spares()
    with spares.lent("a", lists) as first, spares.lent("a", lists) as second:
        assert first is not second
        with spares.lent("b", lists) as other:
            assert other is not first
            assert other is not second
    with spares.lent("a", lists) as again, spares.lent("a", lists) as and_again:
        assert {id(again), id(and_again)} == {id(first), id(second)}


def test_what_failed_is_not_lent_again():
    """Nobody knows what state it is in."""
    spares = Spares()
    with pytest.raises(ArithmeticError), spares.lent("a", lists) as broken:
        raise ArithmeticError
    with spares.lent("a", lists) as fresh:
        assert fresh is not broken


def test_what_is_dropped_is_made_anew():
    """And other keys keep theirs; a key that was never lent can be dropped."""
    spares = Spares()
    spares.drop("never")
    for key in "ab":
        with spares.lent(key, lists) as made:
            made.append(key)
    spares.drop("a")
    with spares.lent("a", lists) as a, spares.lent("b", lists) as b:
        assert (a, b) == ([], ["b"])
