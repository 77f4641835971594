from __future__ import annotations

import numpy as np
import pytest

from services.novelty.showing.telling import telling_positions

RNG = np.random.default_rng(0)
SCORES = RNG.permutation(np.arange(1000.0)).tolist()
ORDER = np.argsort(SCORES)


def test_the_ends_the_threshold_and_some_between():
    """24 of the least typical, 16 of the most, 16 next to the threshold, and 8 of the rest; by position."""
    found = telling_positions(SCORES, 300.25)
    assert len(found) == len(set(found)) == 64
    assert found == sorted(found)
    scores = sorted(SCORES[position] for position in found)
    assert scores[:24] == list(range(24))
    assert scores[-16:] == list(range(984, 1000))
    assert set(range(293, 309)) <= set(scores)
    between = [score for score in scores if 24 <= score < 984 and not 293 <= score <= 308]
    assert len(between) == 8
    assert np.diff(between).min() > 80


@pytest.mark.parametrize("count", [0, 1, 8, 40, 63, 64])
def test_few_are_all_told(count):
    """Up to 64."""
    assert telling_positions(SCORES[:count], 300.0) == list(range(count))


def test_what_has_no_score_is_left_out():
    """Duplicates, and images that every fit of a large set saw; positions are those of all."""
    some = [score if position % 3 == 0 else None for position, score in enumerate(SCORES)]
    found = telling_positions(some, 300.0)
    assert len(found) == 64
    assert all(position % 3 == 0 for position in found)
    lowest = min((score, position) for position, score in enumerate(some) if score is not None)
    assert lowest[1] in found
    assert telling_positions([None] * 9, 0.0) == []


@pytest.mark.parametrize("threshold_nats", [-1e9, 0.0, 999.0, 1e9])
def test_a_threshold_at_an_end(threshold_nats):
    """What is chosen twice makes room for more between."""
    found = telling_positions(SCORES, threshold_nats)
    assert len(set(found)) == 64
    assert set(ORDER[:24]) | set(ORDER[-16:]) <= set(found)


def test_equal_scores():
    """The choice does not depend on chance."""
    assert telling_positions([1.0] * 200, 1.0) == telling_positions([1.0] * 200, 1.0)
    assert len(telling_positions([1.0] * 200, 1.0)) == 64
