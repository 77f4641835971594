"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from services.watermark.writing import replacing

CURVES_FILE = "curves.png"

_INK: Final = "#1c2024"
_FAINT: Final = "#5c6670"
_GRID: Final = "#9aa3ad"
# Of training, then of the generators: told apart by people who see no red or green, too.
_COLOURS: Final = (_INK, "#1b7f5c", "#c2570c", "#3b5bb5")
_STYLE: Final[dict[Any, Any]] = {
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 10.0,
    "legend.frameon": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
}
_RATES: Final = {"_auc": ("AUC", "-"), "_tpr_at_5": ("TPR at 5 % FPR", "--")}


def draw_curves(
    history: Sequence[dict[str, float]],
    folder: Path,
    *,
    along: str = "step",
    trained_on: str = "tiles and places",
) -> None:
    """Writes `curves.png`: the losses of training and of held-out images, and how well the latter are told apart.

    Args:
        history: A point for each measurement: `along`, `loss`, and `*_loss`, `*_auc` and `*_tpr_at_5` by generator.
        folder: Where the file goes.
        along: What the points are counted in.
        trained_on: What the loss of training is of.

    Raises:
        FileNotWritten: The disk is full, for example.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, 4.5), dpi=100, layout="constrained")
        losses, rates = figure.subplots(1, 2)
        _draw_losses(losses, history, along, trained_on)
        _draw_rates(rates, history, along)
        for axes in (losses, rates):
            axes.set(xlabel=f"{along.removesuffix('s')}s of training", xlim=(0, None))
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.grid(color=_GRID, alpha=0.25)
        with replacing(folder / CURVES_FILE) as draft:
            FigureCanvasAgg(figure).print_png(draft, metadata={"Software": None})


def _draw_losses(
    axes: Axes, history: Sequence[dict[str, float]], along: str, trained_on: str
) -> None:
    places = [point[along] for point in history]
    labels = {"loss": f"train: {trained_on}"}
    for generator in _generators(history):
        labels[f"{generator}_loss"] = f"test: images, marks of the {generator} generator"
    for (name, label), colour in zip(labels.items(), _COLOURS, strict=False):
        values = [point[name] for point in history]
        axes.plot(places, values, ".-", color=colour, label=label)
    axes.set(ylabel="cross entropy, nats", ylim=(0, None), title="Loss")
    axes.legend()


def _draw_rates(axes: Axes, history: Sequence[dict[str, float]], along: str) -> None:
    places = [point[along] for point in history]
    for generator, colour in zip(_generators(history), _COLOURS[1:], strict=False):
        for ending, (rate, line) in _RATES.items():
            values = [point[f"{generator}{ending}"] for point in history]
            label = f"{rate}, {generator} generator"
            axes.plot(places, values, line, marker=".", color=colour, label=label)
    axes.set(ylabel="share, 0 to 1", ylim=(0, 1.01), title="Photos that are not trained on")
    axes.legend()


def _generators(history: Sequence[dict[str, float]]) -> list[str]:
    return [name.removesuffix("_loss") for name in history[-1] if name.endswith("_loss")]
