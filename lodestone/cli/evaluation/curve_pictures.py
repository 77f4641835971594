"""The ROC and precision-recall curves of a detector, and whether its probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lodestone.cli.pictures.drawing import (
    BACKGROUND,
    FAINT,
    KEPT,
    LIKED,
    THRESHOLD,
    drawing_style,
    new_figure,
    set_title,
)

_SIZE_PX: Final = (560, 520)
_COLOURS: Final = (LIKED, KEPT, THRESHOLD, FAINT)


def draw_roc(curves: Sequence[dict[str, Any]]) -> Figure:
    """Marks found against clean images flagged; the false-positive rate is on a logarithmic axis from 0.5 % on."""
    with drawing_style():
        figure = new_figure(*_SIZE_PX)
        axes = figure.add_subplot()
        for curve, colour in zip(curves, _COLOURS, strict=False):
            axes.step(
                curve["fpr"], curve["tpr"], where="post", color=colour, label=curve["generator"]
            )
        for rate in (0.01, 0.05):
            axes.axvline(rate, color=BACKGROUND, linewidth=1, linestyle=":")
        axes.set_xscale("log")
        axes.set_xlim(0.005, 1)
        axes.set_xticks([0.005, 0.01, 0.05, 0.1, 0.5, 1], ["0.5", "1", "5", "10", "50", "100"])
        axes.minorticks_off()
        _finish(figure, axes, "ROC", "clean images flagged, %", "marked images found, share")
    return figure


def draw_precision_recall(curves: Sequence[dict[str, Any]]) -> Figure:
    """Precision against recall, as if half of all images were marked."""
    with drawing_style():
        figure = new_figure(*_SIZE_PX)
        axes = figure.add_subplot()
        for curve, colour in zip(curves, _COLOURS, strict=False):
            axes.plot(curve["recall"], curve["precision"], color=colour, label=curve["generator"])
        axes.set_xlim(0, 1)
        words = "precision, if half were marked"
        _finish(figure, axes, "Precision and recall", "marked images found, share", words, low=0.5)
    return figure


def draw_reliability(bins: Sequence[dict[str, Any]], threshold: float) -> Figure:
    """How many of the images of a probability are marked, and the line where the two are one."""
    with drawing_style():
        figure = new_figure(*_SIZE_PX)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=BACKGROUND, linestyle=":", label="as it should be")
        means = [one["mean_probability"] for one in bins]
        shares = [one["marked_share"] for one in bins]
        axes.plot(means, shares, color=LIKED, marker="o", label="ten bins of images")
        label = f"threshold {threshold:g}"
        axes.axvline(threshold, color=THRESHOLD, linestyle="--", label=label)
        axes.set_xlim(0, 1)
        _finish(
            figure, axes, "Reliability", "probability said", "share that is marked, if half were"
        )
    return figure


def _finish(figure: Figure, axes: Axes, title: str, x: str, y: str, *, low: float = 0.0) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.set_ylim(low, 1.01)
    axes.grid(visible=True, color=BACKGROUND, alpha=0.25)
    axes.legend(loc="lower right" if title == "ROC" else "best")
    set_title(figure, axes, title)
