"""The image files to evaluate with: found, told apart by their bytes, decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from PIL import Image as PillowImage

from services.servicekit.errors import Misconfigured
from services.servicekit.image import Rgb
from services.watermark.synthesis.photo_file import (
    PhotoUnreadable,
    read_photo,
    read_photo_bytes,
    shown,
)

_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """One image file.

    Attributes:
        path: The file.
        name: Its path in the folder that was given, as it can be shown.
        source: The first folder on that path, or the given folder's own name.
        digest: SHA-256 of its bytes, 64 hex digits.
    """

    path: Path
    name: str
    source: str
    digest: str

    def read(self, side_max_px: int = 0) -> Rgb | None:
        """Decodes it, (h, w, 3) uint8, made smaller to this side unless that is 0; None, and a warning, if it fails."""
        try:
            rgb = read_photo(self.path)
        except PhotoUnreadable as error:
            _leave_out(self.name, error)
            return None
        return smaller(rgb, side_max_px) if side_max_px else rgb


def find_photo_files(
    folder: Path, *, keep: Callable[[str], bool] = lambda _: True
) -> list[PhotoFile]:
    """The image files of a folder and its subfolders, sorted; of copies the first.

    What cannot be read is left out with a warning.

    Args:
        folder: Where they are.
        keep: Takes a digest; files that it refuses are left out.

    Raises:
        Misconfigured: There is no such folder, or it has no such file.
    """
    if not folder.is_dir():
        message = f"{folder}: there is no such folder"
        raise Misconfigured(message)
    found: dict[str, PhotoFile] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            continue
        photo = _photo_file(path, folder)
        if photo is not None and keep(photo.digest):
            found.setdefault(photo.digest, photo)
    if not found:
        message = f"{folder}: it has no images to evaluate with"
        raise Misconfigured(message)
    return list(found.values())


def _photo_file(path: Path, folder: Path) -> PhotoFile | None:
    inside = path.relative_to(folder)
    name = shown(inside.as_posix())
    try:
        digest = hashlib.sha256(read_photo_bytes(path)).hexdigest()
    except PhotoUnreadable as error:
        _leave_out(name, error)
        return None
    source = inside.parts[0] if len(inside.parts) > 1 else folder.resolve().name
    return PhotoFile(path, name, shown(source), digest)


def _leave_out(name: str, error: PhotoUnreadable) -> None:
    structlog.get_logger().warning("left_out", image=name, reason=error.reason)


def smaller(rgb: Rgb, side_max_px: int) -> Rgb:
    """The image with at most this many pixels a side."""
    height_px, width_px = rgb.shape[:2]
    scale = side_max_px / max(height_px, width_px)
    if scale >= 1:
        return rgb
    size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    return np.asarray(PillowImage.fromarray(rgb).resize(size, PillowImage.Resampling.LANCZOS))
