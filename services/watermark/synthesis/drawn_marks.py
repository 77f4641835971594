"""The generator that detectors are trained with: every kind of mark, and what is easily taken for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.servicekit.image import Rgb
from services.watermark.synthesis import layouts, patterns, stamps
from services.watermark.synthesis.blending import Blend, lay_over
from services.watermark.synthesis.camera_traces import add_border, add_date_stamp, add_letterbox
from services.watermark.synthesis.easel import Easel, easel_for
from services.watermark.synthesis.generator import MarkedPhoto, Mask, changed
from services.watermark.synthesis.layouts import Widths
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.scene_text import add_scene_text

OPACITIES = (0.15, 0.9)
"""The least and the largest opacity of a mark."""

_SEEN_SHARE = 0.3
_SEEN_PX = 12


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of mark.

    Attributes:
        draw: Draws one on an easel.
        widths: Its least and largest width / width of the photo.
        share: How often it is chosen, beside the others.
    """

    draw: Callable[[Easel, Widths], None]
    widths: Widths
    share: float


KINDS = {
    "signature": Kind(layouts.signature, (0.06, 0.40), 0.13),
    "address": Kind(layouts.address, (0.08, 0.40), 0.10),
    "rights": Kind(layouts.rights, (0.08, 0.40), 0.10),
    "center": Kind(layouts.center, (0.12, 0.60), 0.08),
    "diagonal": Kind(layouts.diagonal, (0.35, 1.00), 0.09),
    "tiled": Kind(patterns.tiled, (0.05, 0.32), 0.10),
    "stock": Kind(patterns.stock, (0.12, 0.40), 0.09),
    "logo": Kind(layouts.logo, (0.01, 0.30), 0.11),
    "brand": Kind(layouts.brand, (0.06, 0.40), 0.06),
    "scribble": Kind(layouts.scribble, (0.05, 0.40), 0.05),
    "side": Kind(layouts.side, (0.01, 0.06), 0.03),
    "bar": Kind(patterns.bar, (0.10, 1.00), 0.03),
    "banner": Kind(patterns.banner, (0.10, 1.00), 0.03),
    "stamp": Kind(stamps.stamp, (0.06, 0.45), 0.07),
    "plate": Kind(stamps.plate, (0.05, 0.35), 0.05),
}
NEGATIVES: dict[str, Callable[[Rgb, Lettering, np.random.Generator], tuple[Rgb, str]]] = {
    "date_stamp": add_date_stamp,
    "border": add_border,
    "letterbox": add_letterbox,
    "scene_text": add_scene_text,
}


@dataclass(frozen=True, slots=True)
class DrawnMarks:
    """Draws marks and hard negatives; a `MarkGenerator`.

    Attributes:
        lettering: What they are written in and what they say.
    """

    lettering: Lettering

    @property
    def kinds(self) -> tuple[str, ...]:
        """Fifteen kinds of mark, then the hard negatives."""
        return (*KINDS, *NEGATIVES)

    @property
    def hard_negatives(self) -> tuple[str, ...]:
        """Date stamps, borders, black edges, and text that belongs to the scene."""
        return tuple(NEGATIVES)

    def choose_kind(self, rng: np.random.Generator) -> str:
        """A kind of mark; those that are hard to see more often than others."""
        shares = np.asarray([kind.share for kind in KINDS.values()])
        return str(rng.choice(list(KINDS), p=shares / shares.sum()))

    def draw(self, photo: Rgb, kind: str, rng: np.random.Generator) -> MarkedPhoto:
        """Draws one mark or hard negative on an (h, w, 3) uint8 photo.

        A mark that would hardly be seen is drawn again, against its ground, then more opaque. On a photo of under some
        24 pixels a side its mask may be empty nevertheless.
        """
        if kind in NEGATIVES:
            pixels, text = NEGATIVES[kind](photo, self.lettering, rng)
            nothing = np.zeros(photo.shape[:2], dtype=np.bool_)
            return MarkedPhoto(pixels, nothing, kind, False, 1.0, 1.0, text)
        opacity, seed = float(rng.uniform(*OPACITIES)), int(rng.integers(2**62))
        for bold, chosen in ((False, opacity), (True, opacity), (True, OPACITIES[1])):
            easel = easel_for(photo, self.lettering, np.random.default_rng(seed), bold=bold)
            KINDS[kind].draw(easel, KINDS[kind].widths)
            marked = _laid_over(photo, easel, kind, chosen)
            if _is_seen(marked.mask, easel):
                break
        return marked


def _laid_over(photo: Rgb, easel: Easel, kind: str, opacity: float) -> MarkedPhoto:
    blend = easel.ink.blend if easel.ink else Blend.NORMAL
    pixels = lay_over(photo, easel.overlay, opacity, blend)
    ratio = min(easel.width_px / easel.width, 1.0)
    mask = changed(photo, pixels)
    return MarkedPhoto(pixels, mask, kind, True, opacity, ratio, easel.text)


def _is_seen(mask: Mask, easel: Easel) -> bool:
    drawn_px = sum(easel.overlay.getchannel("A").histogram()[128:])
    return int(mask.sum()) >= max(_SEEN_PX, _SEEN_SHARE * drawn_px)
