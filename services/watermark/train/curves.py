"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

CURVES_FILE = "curves.png"


def draw_curves(history: Sequence[dict[str, float]], folder: Path) -> None:
    """Writes `curves.png`: the losses of training and of held-out images, and how well the latter are told apart.

    Args:
        history: A point for each measurement: `step`, `loss`, and `*_loss`, `*_auc` and `*_tpr_at_5` by generator.
        folder: Where the file goes.
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    losses, rates = figure.subplots(1, 2)
    steps = [point["step"] for point in history]
    losses.plot(steps, [point["loss"] for point in history], label="train (tiles and places)")
    for name in (name for name in history[-1] if name.endswith("_loss")):
        label = f"test (images), {name.removesuffix('_loss')} generator"
        losses.plot(steps, [point[name] for point in history], label=label)
    for name in (name for name in history[-1] if name.endswith(("_auc", "_tpr_at_5"))):
        label = name.replace("_auc", ": AUC").replace("_tpr_at_5", ": TPR at 5 % FPR")
        rates.plot(steps, [point[name] for point in history], label=label)
    losses.set(xlabel="step", ylabel="loss", ylim=(0, None))
    rates.set(xlabel="step", ylabel="on held-out photos", ylim=(0, 1))
    for axes in (losses, rates):
        axes.grid(alpha=0.3)
        axes.legend()
    FigureCanvasAgg(figure).print_png(folder / CURVES_FILE)
