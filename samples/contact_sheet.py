"""An HTML page that shows what a crawl kept, and why the rest was not."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage
from PIL import ImageOps

_THUMBNAIL_PX = (220, 150)
_ORDER = ("accepted", "off profile", "watermarked", "duplicate")

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1c2024; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { margin: 2.2rem 0 .6rem; font-size: 1.15rem }
.count { color: #6b7280; font-weight: normal }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px }
figure { margin: 0; border: 1px solid #e2e5e9; border-radius: 8px; overflow: hidden; background: #fff }
figure img, .none { display: block; width: 100%; height: 150px; object-fit: cover; background: #eef0f2 }
.none { display: grid; place-items: center; color: #8b929b }
figcaption { padding: 8px 10px; font-size: 12.5px; overflow-wrap: anywhere }
figcaption b { display: block; font-size: 13px } .accepted { border-color: #2f9e5f; border-width: 2px }
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """One listing for the sheet.

    Attributes:
        name: What to call it.
        group: Its verdict, or why it was not fetched, in words for people.
        reason: A sentence.
        url: Where it is.
    """

    name: str
    group: str
    reason: str
    url: str


def write_contact_sheet(
    path: Path,
    pictures: Sequence[Picture],
    *,
    title: str,
    find_file: Callable[[Picture], Path | None],
) -> None:
    """Writes one self-contained page: the kept pictures first, then the others by verdict or outcome.

    Args:
        path: The page.
        pictures: All listings of the crawl.
        title: The heading.
        find_file: Where a picture's bytes are on this machine, or None.
    """
    groups: dict[str, list[Picture]] = {}
    for picture in pictures:
        groups.setdefault(picture.group, []).append(picture)
    names = [name for name in _ORDER if name in groups]
    names += sorted(name for name in groups if name not in _ORDER)
    sections = "".join(_section(name, groups[name], find_file) for name in names)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>{sections}</html>"
    )
    path.write_text(page, encoding="utf-8")


def _section(
    name: str, pictures: Sequence[Picture], find_file: Callable[[Picture], Path | None]
) -> str:
    heading = "Kept" if name == "accepted" else f"Not kept: {html.escape(name)}"
    figures = "".join(_figure(picture, find_file(picture)) for picture in pictures)
    count = f'<span class="count">({len(pictures)})</span>'
    return f'<h2>{heading} {count}</h2><div class="sheet">{figures}</div>'


def _figure(picture: Picture, file: Path | None) -> str:
    source = _thumbnail(file) if file else ""
    shown = '<div class="none">no picture</div>'
    if source:
        shown = f'<img src="{source}" alt="{html.escape(picture.name)}" loading="lazy">'
    return (
        f'<figure class="{html.escape(picture.group)}">{shown}<figcaption>'
        f"<b>{html.escape(picture.name)}</b>{html.escape(picture.reason)}</figcaption></figure>"
    )


def _thumbnail(file: Path) -> str:
    """A small JPEG as a data URI; empty if the file is no picture that can be shown."""
    try:
        with PillowImage.open(file) as image:
            image.draft("RGB", _THUMBNAIL_PX)
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, PillowImage.DecompressionBombError):
        return ""
    upright.thumbnail((_THUMBNAIL_PX[0] * 2, _THUMBNAIL_PX[1] * 2))
    buffer = io.BytesIO()
    upright.save(buffer, "JPEG", quality=78)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
