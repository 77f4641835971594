"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

CURVES_FILE = "curves.png"


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
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    losses, rates = figure.subplots(1, 2)
    places = [point[along] for point in history]
    losses.plot(places, [point["loss"] for point in history], ".-", label=f"train ({trained_on})")
    for name in (name for name in history[-1] if name.endswith("_loss")):
        label = f"test (images), {name.removesuffix('_loss')} generator"
        losses.plot(places, [point[name] for point in history], ".-", label=label)
    for name in (name for name in history[-1] if name.endswith(("_auc", "_tpr_at_5"))):
        label = name.replace("_auc", ": AUC").replace("_tpr_at_5", ": TPR at 5 % FPR")
        rates.plot(places, [point[name] for point in history], ".-", label=label)
    losses.set(xlabel=along, ylabel="loss", ylim=(0, None))
    rates.set(xlabel=along, ylabel="on held-out photos", ylim=(0, 1))
    for axes in (losses, rates):
        axes.grid(alpha=0.3)
        axes.legend()
    FigureCanvasAgg(figure).print_png(folder / CURVES_FILE)
