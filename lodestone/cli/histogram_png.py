"""The histogram of a profile as a PNG."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lodestone.cli.histogram import Histogram
from lodestone.cli.words import count_of

_LIKED, _BACKGROUND = "#1b7f5c", "#9aa3ad"


def write_histogram(histogram: Histogram, path: Path, *, title: str) -> None:
    """Draws both samples as shares of themselves, with the threshold marked; 1200 × 700 pixels.

    Raises:
        OSError: The file cannot be written.
    """
    figure = Figure(figsize=(12, 7), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    samples = (
        ("background", histogram.background_counts, _BACKGROUND),
        ("held-out liked", histogram.liked_counts, _LIKED),
    )
    for name, counts, colour in samples:
        total = sum(counts)
        if total:
            shares = [100 * count / total for count in counts]
            axes.stairs(
                shares,
                histogram.edges,
                fill=True,
                color=colour,
                alpha=0.6,
                label=f"{name} ({count_of(total, 'image')})",
            )
    axes.axvline(
        histogram.threshold_nats,
        color="#b3261e",
        linewidth=2,
        linestyle="--",
        label=f"threshold {histogram.threshold_nats:,.2f} nats: at or over it passes",
    )
    axes.set_title(title)
    axes.set_xlabel(_x_label(histogram))
    axes.set_ylabel("share of the sample, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, format="png")


def _x_label(histogram: Histogram) -> str:
    label = "log-likelihood, nats (higher is more like the profile)"
    if histogram.clipped_count:
        label += (
            f"\ntails clipped for sight (1st to 99th percentile): "
            f"{count_of(histogram.clipped_count, 'image')} not shown"
        )
    return label
