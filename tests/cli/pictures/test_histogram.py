"""The bins of the histogram and how a terminal shows them."""

from __future__ import annotations

import math

import pytest

from lodestone.cli.pictures.histogram import histogram_lines, histogram_of


def test_every_value_is_counted_on_its_side_of_the_threshold():
    """The threshold parts two bins; a value equal to it is counted above."""
    liked, background = [5.0, 6.0, 7.0, 8.0], [-10.0, 0.0, 4.9, 5.0]
    histogram = histogram_of(liked, background, threshold_nats=5.0)
    at = histogram.edges.index(5.0)
    assert sum(histogram.liked_counts[at:]) == 4
    assert sum(histogram.background_counts[:at]) == 3
    assert sum(histogram.background_counts[at:]) == 1
    assert histogram.clipped_count == 0
    assert list(histogram.edges) == sorted(histogram.edges)
    assert len(histogram.edges) == len(histogram.liked_counts) + 1


def test_tails_are_clipped_by_each_samples_own_percentiles():
    """A far tail of 2,000 background images is cut; 18 liked images, few as they are, stay in sight."""
    background = [float(index % 100) for index in range(1990)] + [-1e6] * 10
    liked = [200.0 + index for index in range(18)]
    histogram = histogram_of(liked, background, threshold_nats=200.0)
    assert histogram.edges[0] > -20
    assert sum(histogram.liked_counts) == 18
    assert sum(histogram.background_counts) == 1990
    assert histogram.clipped_count == 10
    assert "10 images not shown" in list(histogram_lines(histogram))[-1]


@pytest.mark.parametrize("threshold_nats", [-50.0, 50.0])
def test_a_threshold_outside_of_both_samples_is_shown(threshold_nats):
    """The range is widened to it."""
    histogram = histogram_of([1.0, 2.0], [0.0], threshold_nats=threshold_nats)
    assert threshold_nats in histogram.edges
    assert sum(histogram.liked_counts) == 2
    assert any(f"{threshold_nats:,.2f} nats" in line for line in histogram_lines(histogram))


def test_a_threshold_of_hundreds_of_digits_is_no_wider_than_a_line():
    """Somebody may state one; it is still where the rule is."""
    lines = list(histogram_lines(histogram_of([1.0, 2.0], [0.0], threshold_nats=1e308)))
    assert max(map(len, lines)) < 100
    assert any("threshold: 1e+308 nats" in line for line in lines)


@pytest.mark.parametrize("scores", [[], [3.0], [3.0, 3.0, 3.0]])
def test_tiny_samples_make_a_histogram(scores):
    """None, one, and nothing but equal values."""
    histogram = histogram_of(scores, [], threshold_nats=3.0)
    assert sum(histogram.liked_counts) == len(scores)
    lines = list(histogram_lines(histogram))
    assert any("threshold: 3.00 nats" in line for line in lines)


def test_values_that_are_not_finite_are_clipped():
    """Infinity has no bin."""
    histogram = histogram_of([1.0, 2.0, math.inf], [-math.inf], threshold_nats=1.5)
    assert histogram.clipped_count == 2


def test_the_lines_have_the_threshold_between_the_right_rows():
    """Above the rule stand the rows that pass; bars are scaled, counts exact."""
    histogram = histogram_of([1.0, 1.0, 2.0], [0.0], threshold_nats=1.0, bin_count=2)
    lines = [line for line in histogram_lines(histogram) if "┼" not in line]
    rule = next(
        index for index, line in enumerate(histogram_lines(histogram)) if "threshold" in line
    )
    passing = "\n".join(lines[1:rule])
    assert passing.count("█") == 24 + 12 or passing.count("█") == 24
    assert lines[-1].endswith(" 1")
    assert lines[0].split() == ["nats", "held-out", "liked", "background"]
