"""The histogram of a profile as a picture."""

from __future__ import annotations

from enum import Enum

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lodestone.cli.pictures.drawing import (
    BACKGROUND,
    FAINT,
    LIKED,
    THRESHOLD,
    drawing_style,
    new_figure,
    set_title,
)
from lodestone.cli.pictures.histogram import Histogram, histogram_of
from lodestone.cli.profile_words import promise_lines
from lodestone.cli.words import count_of, nats_text, reference
from lodestone.novelty.v1.profile_pb2 import Profile

# What the words beside the threshold take.
_WORDS_PX = 140


class HistogramForm(Enum):
    """Where a histogram is shown; the values are its width and height, pixels."""

    FILE = (1200, 700)
    """By itself, with the profile's name and what to expect of it."""
    WIDE = (1200, 560)
    """On a page that says these."""
    NARROW = (460, 480)
    """The same on a telephone."""


def draw_histogram(profile: Profile, form: HistogramForm = HistogramForm.FILE) -> Figure:
    """Held-out liked and background photos as shares of themselves, the threshold, and what passes."""
    histogram = histogram_of(
        profile.held_out_log_likelihoods,
        profile.background_log_likelihoods,
        threshold_nats=profile.threshold_nats,
    )
    with drawing_style():
        figure = new_figure(*form.value)
        axes = figure.add_subplot()
        _draw_samples(axes, histogram)
        _draw_threshold(axes, histogram)
        _draw_sides(axes, histogram, width_px=form.value[0])
        axes.set(xlabel=_x_label(histogram), ylabel="share of the sample, %")
        figure.legend(loc="outside lower center", ncols=1 if form is HistogramForm.NARROW else 3)
        if form is HistogramForm.FILE:
            axes.set_title("  ".join(promise_lines(profile)), loc="left", size="medium")
            set_title(figure, axes, f"What {reference(profile)} lets pass")
    return figure


def _draw_samples(axes: Axes, histogram: Histogram) -> None:
    samples = (
        ("ordinary photos (the background)", histogram.background_counts, BACKGROUND),
        ("your liked photos, each held out", histogram.liked_counts, LIKED),
    )
    for name, counts, colour in samples:
        total = sum(counts)
        if total:
            shares = [100 * count / total for count in counts]
            label = f"{name}: {total:,}"
            axes.stairs(shares, histogram.edges, fill=True, color=colour, alpha=0.55, label=label)
            axes.stairs(shares, histogram.edges, color=colour, linewidth=1.5)
    axes.set_xlim(histogram.edges[0], histogram.edges[-1])
    axes.margins(y=0.18)
    axes.set_ylim(bottom=0)


def _draw_threshold(axes: Axes, histogram: Histogram) -> None:
    at = histogram.rule_nats
    axes.axvspan(at, histogram.edges[-1], color=LIKED, alpha=0.07, linewidth=0)
    label = f"threshold: {nats_text(histogram.threshold_nats)} nats or over passes"
    axes.axvline(at, color=THRESHOLD, linewidth=2, linestyle="--", label=label)


def _draw_sides(axes: Axes, histogram: Histogram, *, width_px: int) -> None:
    """What lies at the sides of the threshold, where there is room for the words."""
    edges = histogram.edges
    share_below = (histogram.rule_nats - edges[0]) / (edges[-1] - edges[0])
    sides = (
        ("right", -8, "← does not pass", FAINT, share_below),
        ("left", 8, "passes →", LIKED, 1 - share_below),
    )
    for alignment, offset, words, colour, room in sides:
        if room * width_px >= _WORDS_PX:
            axes.annotate(
                words,
                (histogram.rule_nats, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(offset, -4),
                textcoords="offset points",
                horizontalalignment=alignment,
                verticalalignment="top",
                color=colour,
                weight="bold",
            )


def _x_label(histogram: Histogram) -> str:
    label = "log-likelihood, nats (higher is more like the profile)"
    if histogram.clipped_count:
        label += (
            f"\ntails clipped for sight (1st to 99th percentile): "
            f"{count_of(histogram.clipped_count, 'image')} not shown"
        )
    return label
