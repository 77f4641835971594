"""Photos in files, with a generator that needs no fonts from outside."""

from __future__ import annotations

import hashlib

from PIL import Image as PillowImage

from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.lettering import Lettering
from services.watermark.synthesis.texts import TRAINING_TEXTS
from services.watermark.train.batches import BatchSource
from services.watermark.train.photos import Photo, Role
from tests.fakes.image_files import photo

MARKS = DrawnMarks(Lettering((), TRAINING_TEXTS))


def photo_files(folder, seeds):
    """A folder of small photos."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        PillowImage.fromarray(photo(200, 150, seed=seed)).save(folder / f"{seed:03}.png")
    return folder


def photos_in(folder, seeds=range(3), **fields):
    """The photos of such a folder, all to train with."""
    return [
        Photo(path, folder.name, Role.TRAIN, digest_of(path), **fields)
        for path in sorted(photo_files(folder, seeds).iterdir())
    ]


def batch_source(folder, *, labelled=(), tiles=8, seed=0, grid=2):
    """Batches of marks on three photos."""
    return BatchSource(photos_in(folder), labelled, MARKS, [grid], tiles, seed)


def digest_of(path):
    """The SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
