"""The histogram of held-out liked and background log-likelihoods, for a terminal."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lodestone.cli.words import count_of, nats_text

_EIGHTHS = " ▏▎▍▌▋▊▉"
_BAR_WIDTH = 24
_FARTHEST_NATS = 1e12


@dataclass(frozen=True, slots=True)
class Histogram:
    """Two samples over the same bins, the tails clipped for sight.

    Attributes:
        edges: (n + 1,) ascending, nats; `rule_nats` is one of them. Bins hold their lower edge; the last one both.
        liked_counts: (n,) held-out liked images per bin.
        background_counts: (n,) background images per bin.
        clipped_count: How many of both lie outside the bins.
        threshold_nats: The profile's threshold.
    """

    edges: tuple[float, ...]
    liked_counts: tuple[int, ...]
    background_counts: tuple[int, ...]
    clipped_count: int
    threshold_nats: float

    @property
    def rule_nats(self) -> float:
        """Where the threshold is drawn: at itself, but no farther out than pictures reckon with, +-1e12 nats."""
        return _clipped(self.threshold_nats)


def histogram_of(
    liked: Sequence[float],
    background: Sequence[float],
    *,
    threshold_nats: float,
    bin_count: int = 18,
) -> Histogram:
    """Bins both samples between the lower of their 1st and the higher of their 99th percentiles.

    The range is widened to show the threshold, which parts two bins. Values that are not finite are clipped.
    """
    at = _clipped(threshold_nats)
    samples = [sorted(filter(math.isfinite, sample)) for sample in (liked, background)]
    low = min([at, *(_nearest_rank(sample, 0.01) for sample in samples if sample)])
    high = max([at, *(_nearest_rank(sample, 0.99) for sample in samples if sample)])
    step = (high - low) / bin_count or 1.0
    below = math.ceil((at - low) / step)
    above = max(1, math.ceil((high - at) / step))
    edges = tuple(at + step * index for index in range(-below, above + 1))
    liked_counts, background_counts = (_count(sample, edges) for sample in samples)
    return Histogram(
        edges=edges,
        liked_counts=liked_counts,
        background_counts=background_counts,
        clipped_count=len(liked) + len(background) - sum(liked_counts) - sum(background_counts),
        threshold_nats=threshold_nats,
    )


def histogram_lines(histogram: Histogram) -> Iterator[str]:
    """The histogram as lines of text: higher log-likelihoods on top, liked left, background right.

    Each column's bars are scaled to its own fullest bin; the counts stand beside them.
    """
    edges = histogram.edges
    digits = 0 if edges[1] - edges[0] >= 2 else 2
    labels = [nats_text(edge, digits) for edge in edges]
    width = max(len("nats"), *map(len, labels))
    liked = _cells(histogram.liked_counts)
    background = _cells(histogram.background_counts)
    cell = max(len("held-out liked"), *map(len, liked)) + 2
    heading = f"{'nats':>{width}}   {'held-out liked':<{cell}}"
    yield heading + "background" if any(histogram.background_counts) else heading.rstrip()
    for index in reversed(range(len(liked))):
        row = f"{labels[index]:>{width}} │ {liked[index]:<{cell}}{background[index]}"
        yield row.rstrip()
        if edges[index] == histogram.rule_nats:
            rule = "─" * (width + 1)
            yield f"{rule}┼── threshold: {nats_text(histogram.threshold_nats)} nats and over passes {'─' * cell}"
    if histogram.clipped_count:
        yield (
            "tails clipped for sight (1st to 99th percentile): "
            f"{count_of(histogram.clipped_count, 'image')} not shown"
        )


def _clipped(threshold_nats: float) -> float:
    return max(-_FARTHEST_NATS, min(_FARTHEST_NATS, threshold_nats))


def _cells(counts: Sequence[int]) -> list[str]:
    return [_bar(count, max(counts)) for count in counts]


def _bar(count: int, most: int) -> str:
    if not count:
        return ""
    whole, eighths = divmod(max(1, round(8 * _BAR_WIDTH * count / most)), 8)
    return f"{'█' * whole}{_EIGHTHS[eighths].strip()} {count}"


def _nearest_rank(ascending: Sequence[float], share: float) -> float:
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def _count(sample: Sequence[float], edges: Sequence[float]) -> tuple[int, ...]:
    counts = [0] * (len(edges) - 1)
    for value in sample:
        if edges[0] <= value <= edges[-1]:
            counts[min(bisect_right(edges, value), len(counts)) - 1] += 1
    return tuple(counts)
