"""The copies of photos that a web site has: resized, re-compressed, watermarked, cut short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

SCREEN_PX: Final = 1280 * 1024
"""The crawl takes no image of a smaller area."""

_MARK: Final = "© sample stock"

Maker = Callable[[Image.Image, Path], None]


@dataclass(frozen=True)
class Copy:
    """One copy to make.

    Attributes:
        path: Where to.
        make: Writes it from the decoded photo.
    """

    path: Path
    make: Maker


def make_copies(photo: Path, copies: Sequence[Copy]) -> None:
    """Decodes `photo` once, upright and RGB, and writes all its copies."""
    with Image.open(photo) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    for copy in copies:
        copy.path.parent.mkdir(parents=True, exist_ok=True)
        copy.make(image, copy.path)


def resized(long_side_px: int, *, quality: int = 90) -> Maker:
    """A maker of copies whose longer side has `long_side_px` pixels."""

    def make(image: Image.Image, path: Path) -> None:
        _shrunk(image, long_side_px).save(path, "JPEG", quality=quality)

    return make


def recompressed(quality: int) -> Maker:
    """A maker of JPEG copies of the same size and the given quality, 1 to 95."""

    def make(image: Image.Image, path: Path) -> None:
        image.save(path, "JPEG", quality=quality)

    return make


def truncated(image: Image.Image, path: Path) -> None:
    """Writes the first half of a JPEG."""
    image.save(path, "JPEG", quality=80)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def watermarked(image: Image.Image, path: Path) -> None:
    """Writes the middle of it with a text mark all over, slanted, half transparent, as previews for sale have.

    Without its edges it is no near-duplicate of the photo: it is not turned away for that.
    """
    image = _shrunk(without_edges(image), 2400)
    image.paste("white", (0, 0), _mark(image.size))
    image.save(path, "JPEG", quality=90)


def without_edges(image: Image.Image) -> Image.Image:
    """The middle of an image: a tenth of each side is cut off at both ends."""
    left, top = image.width // 10, image.height // 10
    return image.crop((left, top, image.width - left, image.height - top))


def shrunk_size(size: tuple[int, int], long_side_px: int) -> tuple[int, int]:
    """(width, height) of an image of `size` whose longer side is brought down to `long_side_px`."""
    scale = min(1.0, long_side_px / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def _shrunk(image: Image.Image, long_side_px: int) -> Image.Image:
    size = shrunk_size(image.size, long_side_px)
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _mark(size: tuple[int, int]) -> Image.Image:
    """(width, height) of opacities: rows of text, each shifted, all turned by 30 degrees."""
    side = round(1.5 * max(size))
    font = ImageFont.load_default(max(size) / 24)
    mask = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(mask)
    left, top, right, bottom = draw.textbbox((0, 0), _MARK, font=font)
    step_x, step_y = round(1.4 * (right - left)), round(3.5 * (bottom - top))
    for row, y in enumerate(range(0, side, step_y)):
        for x in range(-(row % 2) * step_x // 2, side, step_x):
            draw.text((x, y), _MARK, fill=150, font=font)
    turned = mask.rotate(30, Image.Resampling.BILINEAR)
    corner = (side - size[0]) // 2, (side - size[1]) // 2
    return turned.crop((*corner, corner[0] + size[0], corner[1] + size[1]))
