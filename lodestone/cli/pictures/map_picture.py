"""The map of a profile as a picture: similar photos lie near each other."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image as PillowImage
from PIL import ImageOps

from lodestone.cli.pictures.drawing import (
    BACKGROUND,
    DPI,
    FAINT,
    INK,
    KEPT,
    LIKED,
    drawing_style,
    new_figure,
    set_title,
)
from lodestone.cli.pictures.thumbnail_places import find_places
from lodestone.cli.words import reference
from lodestone.novelty.v1.novelty_service_pb2 import (
    MAP_ROLE_BACKGROUND,
    MAP_ROLE_GIVEN,
    MAP_ROLE_LIKED,
    MapPoint,
)
from lodestone.novelty.v1.profile_pb2 import Profile

CAPTION = "Near points are similar photos. The axes mean nothing, nor do directions and the widths of gaps."
_HEADED_PX, _BARE_PX = (1200, 900), (800, 800)
_MOST_THUMBNAILS = 12
_THUMBNAIL_PX = 64


@dataclass(frozen=True, slots=True)
class MapKind:
    """How the points of one role look.

    Attributes:
        role: A MapRole.
        words: What they stand for.
        colour: Theirs.
        marker: Matplotlib's letter for the shape.
        sign: The filled shape as a character.
        size: Points of 1/72 inch.
    """

    role: int
    words: str
    colour: str
    marker: str
    sign: str
    size: float


# Drawn in this order: what there is most of lies at the bottom.
MAP_KINDS = (
    MapKind(MAP_ROLE_BACKGROUND, "ordinary photos (the background)", BACKGROUND, "s", "■", 5.0),
    MapKind(MAP_ROLE_GIVEN, "kept by crawls, the newest", KEPT, "D", "◆", 5.0),
    MapKind(MAP_ROLE_LIKED, "your liked photos", LIKED, "o", "●", 7.0),
)


def draw_map(
    profile: Profile,
    points: Sequence[MapPoint],
    thumbnails: Mapping[int, bytes],
    *,
    headed: bool = True,
) -> Figure:
    """Every point by its role, filled where it passes, and thumbnails of some liked images.

    Args:
        profile: Theirs.
        points: As the novelty service lays them out.
        thumbnails: JPEGs by the liked image's position; those that cannot be read are left out.
        headed: With a heading, legend and caption, 1200 × 900 pixels; else the map alone, 800 × 800.
    """
    with drawing_style():
        figure = new_figure(*(_HEADED_PX if headed else _BARE_PX))
        axes = figure.add_subplot(aspect="equal", xlim=(-1.12, 1.12), ylim=(-1.12, 1.12))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, alpha=0.3)
        for kind in MAP_KINDS:
            _draw_points(axes, kind, points, profile.threshold_nats)
        if headed:
            _draw_words(figure, axes, profile, points)
        figure.draw_without_rendering()
        _draw_thumbnails(axes, points, thumbnails)
    return figure


def count_points(points: Sequence[MapPoint], role: int, threshold_nats: float) -> tuple[int, int]:
    """How many points have the role, and how many of these pass."""
    scores = [point.log_likelihood for point in points if point.role == role]
    return len(scores), sum(score >= threshold_nats for score in scores)


def _draw_points(
    axes: Axes, kind: MapKind, points: Sequence[MapPoint], threshold_nats: float
) -> None:
    for passes in (False, True):
        chosen = [
            point
            for point in points
            if point.role == kind.role and (point.log_likelihood >= threshold_nats) == passes
        ]
        if chosen:
            axes.scatter(
                [point.x for point in chosen],
                [point.y for point in chosen],
                s=kind.size**2,
                marker=kind.marker,
                facecolors=kind.colour if passes else "none",
                edgecolors=kind.colour,
                linewidths=1.3,
                alpha=0.85,
            )


def _draw_words(figure: Figure, axes: Axes, profile: Profile, points: Sequence[MapPoint]) -> None:
    handles = []
    for kind in reversed(MAP_KINDS):
        count, passing = count_points(points, kind.role, profile.threshold_nats)
        if count:
            words = f"{kind.words}: {count:,},\nof which {passing:,} pass"
            handles.append(_handle(kind.marker, kind.colour, words, filled=True))
    handles += [
        _handle("o", INK, "filled: passes", filled=True),
        _handle("o", INK, "hollow: does not", filled=False),
    ]
    figure.legend(handles=handles, loc="outside right upper", labelspacing=1.1)
    figure.supxlabel(CAPTION, x=0.02, horizontalalignment="left", size="small", color=FAINT)
    set_title(figure, axes, f"Map of {reference(profile)}")


def _handle(marker: str, colour: str, words: str, *, filled: bool) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=8,
        markerfacecolor=colour if filled else "none",
        markeredgecolor=colour,
        label=words,
    )


def _draw_thumbnails(
    axes: Axes, points: Sequence[MapPoint], thumbnails: Mapping[int, bytes]
) -> None:
    """Beside the point that each is of, with a line to it; the least typical one first."""
    candidates = sorted(
        (
            point
            for point in points
            if point.role == MAP_ROLE_LIKED and point.position in thumbnails
        ),
        key=lambda point: point.log_likelihood,
    )
    if not candidates:
        return
    corner, extent = axes.bbox.min, (axes.bbox.width, axes.bbox.height)
    places = find_places(
        _pixels(axes, points) - corner,
        _pixels(axes, candidates) - corner,
        size_px=_THUMBNAIL_PX,
        frame=extent,
        most=_MOST_THUMBNAILS,
    )
    for place in places:
        point = candidates[place.index]
        picture = _square(thumbnails[point.position])
        if picture is not None:
            where = (place.x / extent[0], place.y / extent[1])
            axes.add_artist(_thumbnail(picture, (point.x, point.y), where))


def _thumbnail(
    picture: np.ndarray, point: tuple[float, float], where: tuple[float, float]
) -> AnnotationBbox:
    return AnnotationBbox(
        OffsetImage(picture, zoom=72 / DPI * _THUMBNAIL_PX / picture.shape[0]),
        point,
        xybox=where,
        boxcoords="axes fraction",
        pad=0.12,
        bboxprops={"edgecolor": LIKED, "linewidth": 1.2},
        arrowprops={"arrowstyle": "-", "color": LIKED, "linewidth": 1.0, "shrinkB": 3},
    )


def _pixels(axes: Axes, points: Sequence[MapPoint]) -> np.ndarray:
    return np.asarray(axes.transData.transform([(point.x, point.y) for point in points]))


def _square(jpeg: bytes) -> np.ndarray | None:
    """The middle of a thumbnail as (side, side, 3) uint8; None if it cannot be read."""
    side = 2 * _THUMBNAIL_PX
    try:
        with PillowImage.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            image.draft("RGB", (side, side))
            return np.asarray(ImageOps.fit(image.convert("RGB"), (side, side)))
    except (OSError, ValueError, PillowImage.DecompressionBombError):
        return None
