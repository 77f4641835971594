"""How many marks of each sort are found, with intervals, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from lodestone.cli.pictures.drawing import (
    BACKGROUND,
    FAINT,
    KEPT,
    LIKED,
    drawing_style,
    new_figure,
    set_title,
)

_SORTS: Final = ("kind", "opacity", "width", "visible px", "source")
_ROW_PX: Final = 30


def draw_groups(groups: Sequence[dict[str, Any]]) -> Figure:
    """A row for each group: found where 5 % of the clean images are flagged, and over the threshold."""
    rows = [group for group in groups if group["by"] in _SORTS]
    with drawing_style():
        figure = new_figure(900, 150 + _ROW_PX * len(rows))
        axes = figure.add_subplot()
        for colour, key, shift, words in (
            (LIKED, "tpr_at_5", -0.15, "at 5 % of the clean images flagged"),
            (KEPT, "tpr", 0.15, "over the detector's threshold"),
        ):
            for place, group in enumerate(rows):
                rate = group["rates"][key]
                axes.plot(
                    [rate["low"], rate["high"]], [place + shift] * 2, color=colour, linewidth=2
                )
            values = [group["rates"][key]["value"] for group in rows]
            places = [place + shift for place in range(len(rows))]
            axes.plot(values, places, "o", color=colour, label=words)
        axes.set_yticks(range(len(rows)), [_row_name(group) for group in rows], color=FAINT)
        axes.set(xlim=(-0.01, 1.01), ylim=(len(rows) - 0.5, -0.5))
        axes.set_xlabel("marked images found, share, with 95 % intervals over photos")
        axes.grid(visible=True, axis="x", color=BACKGROUND, alpha=0.25)
        figure.legend(loc="outside lower center", ncols=2)
        set_title(figure, axes, "What is found")
    return figure


def _row_name(group: dict[str, Any]) -> str:
    return f"{group['generator']}, {group['by']} {group['value']}  ({group['rates']['marked']:,})"
