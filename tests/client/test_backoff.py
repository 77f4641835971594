"""The delays between tries."""

from __future__ import annotations

from lodestone.client import Backoff


def test_delays_double_up_to_the_last_and_start_again_after_a_reset():
    """Each lies between half of its bound and the bound."""
    backoff = Backoff(initial_s=0.1, max_s=2.0)
    for bound_s in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        assert bound_s / 2 <= backoff.next_s() <= bound_s
    backoff.reset()
    assert backoff.next_s() <= 0.1


def test_delays_differ():
    """A hundred clients do not come back at once."""
    assert len({Backoff().next_s() for _ in range(100)}) > 90
