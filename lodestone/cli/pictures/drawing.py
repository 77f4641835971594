"""What the pictures of a profile share: colours, and files and pages to put them into."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

DPI: Final = 100
_MARGIN_IN: Final = 0.12

# Told apart by people who see no red or green, too: the shades differ as much as the hues.
INK: Final = "#1c2024"
FAINT: Final = "#5c6670"
PAPER: Final = "#ffffff"
LIKED: Final = "#1b7f5c"
BACKGROUND: Final = "#9aa3ad"
KEPT: Final = "#c2570c"
THRESHOLD: Final = "#b3261e"

# What a page calls these, so that its style says what they are in the dark.
_VARIABLES: Final = {
    INK: "--ink",
    FAINT: "--faint",
    PAPER: "--paper",
    LIKED: "--liked",
    BACKGROUND: "--background",
    KEPT: "--kept",
    THRESHOLD: "--threshold",
}

_STYLE: Final[dict[Any, Any]] = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "font.size": 11.0,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    # Texts stay texts: found by a search, read aloud, and in the reader's own font.
    "svg.fonttype": "none",
    # The same picture is the same file.
    "svg.hashsalt": "lodestone",
}


def css_colour(colour: str) -> str:
    """One of the colours here as a page calls it, `var(--liked)`."""
    return f"var({_VARIABLES[colour]})"


@contextmanager
def drawing_style() -> Iterator[None]:
    """Inside it figures are drawn, and written, in the style of all pictures."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width_px: int, height_px: int) -> Figure:
    """An empty figure that has this size as a PNG."""
    layout = ConstrainedLayoutEngine(w_pad=_MARGIN_IN, h_pad=_MARGIN_IN)
    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def set_title(figure: Figure, axes: Axes, title: str) -> None:
    """Sets the heading of a figure that has everything else: over all, and flush with the left side of the axes."""
    heading = figure.suptitle(title, horizontalalignment="left", weight="bold", size="large")
    figure.draw_without_rendering()
    heading.set_x(axes.get_position().x0)


def write_figure(figure: Figure, path: Path, *, form: str, title: str) -> None:
    """Writes a `png` or `svg` file. An SVG has no script and asks for no other file.

    Raises:
        OSError: It cannot be written.
    """
    if form == "svg":
        path.write_text(_svg(figure, title=title), encoding="utf-8")
        return
    with drawing_style():
        figure.savefig(path, format="png", metadata={"Software": None, "Title": title})


def inline_svg(figure: Figure, *, name: str, alternative: str, kind: str = "") -> str:
    """The figure as an element of an HTML page, in the page's colours.

    Args:
        figure: The figure.
        name: A word that no other picture of the page has: its ids begin with it.
        alternative: What the picture shows, for people who do not see it.
        kind: The class of the element.
    """
    svg = _svg(figure, title="")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    for colour in _VARIABLES:
        svg = svg.replace(colour, css_colour(colour))
    label = f'<svg role="img" aria-label="{escape(alternative)}" class="{escape(kind)}"'
    return svg.replace("<svg", label, 1)


def _svg(figure: Figure, *, title: str) -> str:
    file = io.StringIO()
    metadata: dict[str, str | None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    if title:
        metadata["Title"] = title
    with drawing_style():
        figure.savefig(file, format="svg", metadata=metadata)
    return file.getvalue()
