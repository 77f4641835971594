"""Images with labels: the folders `clean/` and `marked/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.servicekit.errors import Misconfigured
from services.servicekit.image import Rgb
from services.watermark.evaluate.judged_image import ImageFacts, Truth
from services.watermark.evaluate.photo_files import PhotoFile, find_photo_files

FOLDERS: Final = ("clean", "marked")


def is_labelled(folder: Path) -> bool:
    """Whether labels can be told by its folders.

    Raises:
        Misconfigured: It has one of `clean/` and `marked/` alone.
    """
    there = [(folder / name).is_dir() for name in FOLDERS]
    if any(there) and not all(there):
        message = f"{folder}: it has one of clean/ and marked/; both are needed"
        raise Misconfigured(message)
    return all(there)


def labelled_images(folder: Path, limit: int | None) -> Iterator[tuple[ImageFacts, Rgb]]:
    """The images of both folders, each a photo of its own; the sources are the folders inside them.

    Args:
        folder: That holds `clean/` and `marked/`.
        limit: Images of each of the two at most.

    Raises:
        Misconfigured: One of them has no image.
    """
    for name, truth in zip(FOLDERS, (Truth.CLEAN, Truth.MARKED), strict=True):
        for file in find_photo_files(folder / name)[:limit]:
            rgb = file.read()
            if rgb is not None:
                yield _facts(file, name, truth), rgb


def _facts(file: PhotoFile, folder: str, truth: Truth) -> ImageFacts:
    source = "images" if file.source == folder else file.source
    return ImageFacts(name=f"{folder}/{file.name}", photo=file.digest, source=source, truth=truth)
