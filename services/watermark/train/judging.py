"""What a network says of photos that it was not trained on, clean and with marks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from services.servicekit.image import Rgb
from services.servicekit.resize import to_input
from services.watermark.train.lettering import Lettering
from services.watermark.train.mark import MarkKind, MarkPlan, choose_plan
from services.watermark.train.photos import Photo
from services.watermark.train.synthesis import INPUT, synthesize_pair
from services.watermark.train.tiles import quadrant_labels

TileLogits = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""(N, 448, 448, 3) uint8 RGB → (N, 4) log-odds before calibration."""

_MARKED_SIDE_MAX_PX = 1600
_Labels = tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One image and what the network said of it.

    Attributes:
        photo: The photo that it was made of.
        plan: The mark that was drawn on it; None on a clean one.
        labels: Whether each quadrant has a mark; None where it barely has.
        logits: (4,) float32, before calibration.
    """

    photo: Photo
    plan: MarkPlan | None
    labels: _Labels
    logits: npt.NDArray[np.float32]


def judge_photo(
    photo: Photo,
    kinds: Sequence[MarkKind],
    *,
    lettering: Lettering,
    logits_of: TileLogits,
    rng: np.random.Generator,
) -> Iterator[Judged]:
    """Judges a photo as it is, once encoded like the marked ones, and with a mark of each kind."""
    rgb = photo.read()
    nothing: _Labels = (False,) * 4
    images: list[tuple[MarkPlan | None, _Labels, Rgb]] = [(None, nothing, to_input(rgb, INPUT))]
    base = _shrunk(rgb)
    for kind in kinds:
        pair = synthesize_pair(base, choose_plan(rng, kind), lettering, rng)
        if len(images) == 1:
            images.append((None, nothing, pair.clean))
        images.append((pair.plan, tuple(quadrant_labels(pair.mask)), pair.marked))
    logits = logits_of(np.stack([pixels for _, _, pixels in images]))
    for (plan, labels, _), row in zip(images, logits, strict=True):
        yield Judged(photo, plan, labels, row)


def _shrunk(rgb: Rgb) -> Rgb:
    """At most 1600 pixels a side: drawing on more costs seconds and changes nothing at 448."""
    height_px, width_px = rgb.shape[:2]
    scale = _MARKED_SIDE_MAX_PX / max(height_px, width_px)
    if scale >= 1:
        return rgb
    size = (round(width_px * scale), round(height_px * scale))
    return np.asarray(PillowImage.fromarray(rgb).resize(size, PillowImage.Resampling.BICUBIC))
