"""What photos are judged as: clean, and with each kind of mark of each generator, all saved alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from services.servicekit.image import Rgb
from services.servicekit.resize import InputShape, to_input
from services.watermark.evaluate.judged_image import ImageFacts, Truth
from services.watermark.evaluate.photo_files import PhotoFile
from services.watermark.synthesis.encoding import choose_encoding
from services.watermark.synthesis.generator import MarkGenerator, changed

SIDE_MAX_PX: Final = 1280
"""Drawing on more costs seconds and changes little at 448."""

_CLEAN_PER_PHOTO: Final = 3
_SEEN_AT: Final = InputShape(448, 448)
_SEEN_LEVELS: Final = 16


def drawn_images(
    photo: PhotoFile, generators: Mapping[str, MarkGenerator], seed: int
) -> Iterator[tuple[ImageFacts, Rgb]]:
    """The photo as it is, saved anew twice, and once with each kind of each generator; none if it does not decode.

    Clean and marked images are saved by encodings chosen alike. The random numbers hang on the photo's bytes and the
    seed alone: another set of photos changes none of these images.
    """
    rgb = photo.read(SIDE_MAX_PX)
    if rgb is None:
        return
    clean = ImageFacts(name=photo.name, photo=photo.digest, source=photo.source, truth=Truth.CLEAN)
    rng = np.random.default_rng((seed, int(photo.digest[:16], 16)))
    size = (rgb.shape[1], rgb.shape[0])
    yield clean, rgb
    for _ in range(_CLEAN_PER_PHOTO - 1):
        yield clean, choose_encoding(size, rng).apply(rgb)
    for name, generator in generators.items():
        for kind in generator.kinds:
            drawn = generator.draw(rgb, kind, rng)
            encoding = choose_encoding(size, rng)
            image = encoding.apply(drawn.pixels)
            truth = Truth.MARKED if drawn.is_mark else Truth.HARD_NEGATIVE
            facts = replace(
                clean,
                truth=truth,
                generator=name,
                kind=kind,
                opacity=drawn.opacity if drawn.is_mark else None,
                width_ratio=drawn.width_ratio if drawn.is_mark else None,
                visible_px=_visible_px(encoding.apply(rgb), image) if drawn.is_mark else None,
            )
            yield facts, image


def _visible_px(before: Rgb, after: Rgb) -> int:
    return int(changed(to_input(before, _SEEN_AT), to_input(after, _SEEN_AT), _SEEN_LEVELS).sum())
