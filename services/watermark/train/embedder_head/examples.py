"""What a head is fitted to: embeddings of quadrants, with what is known of the marks in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

import numpy as np
import numpy.typing as npt

from services.servicekit.resize import to_input
from services.watermark.detector_folder import QUADRANTS
from services.watermark.train.batches import draw_pair, read_photo
from services.watermark.train.embedder_head.encoder import QuadrantEncoder
from services.watermark.train.held_out_images import CLEAN, HARD_NEGATIVE, KnownImage, known_images
from services.watermark.train.marks import Marks
from services.watermark.train.photos import Photo, Role, drawn_on
from services.watermark.train.progress import Pace, Tell, silent
from services.watermark.train.tiles import UNKNOWN

_DRAWN: Final = "first"
_REAL: Final = "real"
_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Examples:
    """Images as a head sees them.

    Attributes:
        embeddings: (n, 4, dimension) float32.
        quadrants: (n, 4) uint8: 1 with a mark in it, 0 without, else `UNKNOWN`.
        marked: (n,) bool, whether there is a mark in the image.
    """

    embeddings: npt.NDArray[np.float32]
    quadrants: npt.NDArray[np.uint8]
    marked: npt.NDArray[np.bool_]

    def first(self, count: int) -> Examples:
        """The first of them."""
        return Examples(self.embeddings[:count], self.quadrants[:count], self.marked[:count])


@dataclass(frozen=True, slots=True)
class ExamplePlan:
    """Which examples to draw.

    Attributes:
        pairs: Clean and marked images.
        seed: Of everything random.
        tell: Hears how many are embedded.
    """

    pairs: int
    seed: int
    tell: Tell = silent


def embed_examples(
    photos: Sequence[Photo], marks: Marks, encoder: QuadrantEncoder, plan: ExamplePlan
) -> Examples:
    """The labelled images that train, then so many pairs drawn on the others; each is embedded once.

    A pair hangs on the seed and its number alone: more pairs leave the earlier ones as they are.
    """
    labelled = [photo for photo in photos if photo.labelled and photo.role is Role.TRAIN]
    drawn = _drawn_images(photos, marks, encoder, plan.seed)
    wanted = len(labelled) + 2 * plan.pairs
    images = islice(chain(_labelled_images(labelled, encoder), drawn), wanted)
    return _embed(images, encoder, Pace("image", wanted, plan.tell))


def _labelled_images(photos: Sequence[Photo], encoder: QuadrantEncoder) -> Iterator[KnownImage]:
    """Of a marked one nobody knows where its mark is."""
    for photo in photos:
        name, label = (_REAL, UNKNOWN) if photo.marked else (CLEAN, 0)
        quadrants = np.full(len(QUADRANTS), label, dtype=np.uint8)
        yield KnownImage(to_input(read_photo(photo), encoder.shape), name, quadrants)


def _drawn_images(
    photos: Sequence[Photo], marks: Marks, encoder: QuadrantEncoder, seed: int
) -> Iterator[KnownImage]:
    """Without end."""
    chosen, generator, number = drawn_on(photos, Role.TRAIN), marks.to_train(), 0
    while True:
        rng = np.random.default_rng((seed, number))
        pair = draw_pair(chosen, generator, rng, marks.left_out)
        yield from known_images(pair, _DRAWN, encoder.shape)
        number += 1


def _embed(images: Iterable[KnownImage], encoder: QuadrantEncoder, pace: Pace) -> Examples:
    waiting, embeddings, quadrants, marked = iter(images), [], [], []
    for batch in iter(lambda: list(islice(waiting, _BATCH)), []):
        embeddings.append(encoder.embed(np.stack([image.rgb for image in batch])))
        quadrants += [image.quadrants for image in batch]
        marked += [image.name not in (CLEAN, HARD_NEGATIVE) for image in batch]
        pace.advance(len(marked))
    return Examples(np.concatenate(embeddings), np.stack(quadrants), np.asarray(marked))
