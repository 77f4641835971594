"""The pictures of `docs/taste.md`, of what `make run` has left in the data folder.

Run it as `python -m samples.taste_pictures`. It needs Chromium. The pictures show only photos under Creative Commons
licences; the others stand there by name.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image as PillowImage
from PIL import ImageChops

from lodestone.cli.pages.page import write_sheet
from lodestone.cli.pictures.drawing import write_figure
from lodestone.cli.pictures.histogram_picture import draw_histogram
from lodestone.cli.pictures.map_picture import draw_map
from lodestone.cli.profile.liked import LikedOverview, fetch_overview
from lodestone.cli.profile.map import TasteMap, fetch_map
from lodestone.cli.profile.report import typicality_sections
from lodestone.cli.running import novelty_client
from lodestone.cli.words import reference
from lodestone.novelty.v1.profile_pb2 import Profile
from samples.photo_folder import list_photos
from samples.photos import fetch_sample_photos
from samples.running import NotReady, services

_CACHE = Path(".cache/samples")
_TARGET = Path("docs/taste")
_PROFILE = "nature"
_SHEET_PX = (1240, 2400)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Draws all of them; the exit status is 0 if that worked."""
    data = Path(os.environ.get("DATA") or "data").absolute()
    _TARGET.mkdir(exist_ok=True)
    try:
        with services(data):
            profile, liked, taste_map = asyncio.run(_fetch())
    except NotReady as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    liked = with_free_pictures(liked, _licences())
    write_figure(draw_histogram(profile), _TARGET / "histogram.svg", form="svg", title="Histogram")
    map_figure = draw_map(profile, taste_map.points, liked.thumbnails)
    write_figure(map_figure, _TARGET / "map.svg", form="svg", title="Map")
    _draw_sheet(profile, liked, _TARGET / "contact-sheet.png")
    return 0


async def _fetch() -> tuple[Profile, LikedOverview, TasteMap]:
    async with novelty_client() as novelty:
        profile = await novelty.get_profile(_PROFILE)
        return profile, await fetch_overview(novelty, profile), await fetch_map(novelty, profile)


def _licences() -> dict[str, str]:
    """Of the sample photos, by file name."""
    photos = fetch_sample_photos(_CACHE, progress=print)
    return {photo.name: photo.licence for photo in list_photos(photos.folder)}


def with_free_pictures(liked: LikedOverview, licences: Mapping[str, str]) -> LikedOverview:
    """The same with the thumbnails of photos under Creative Commons licences alone."""
    free = {one.position for one in liked.ranked if licences.get(one.name, "").startswith("CC")}
    return replace(
        liked,
        ranked=[one if one.position in free else replace(one, jpeg=b"") for one in liked.ranked],
        thumbnails={at: jpeg for at, jpeg in liked.thumbnails.items() if at in free},
    )


def _draw_sheet(profile: Profile, liked: LikedOverview, path: Path) -> None:
    """The least and the most typical photos, as the page of the profile shows them."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "sheet.html"
        sections = typicality_sections(liked.ranked)
        write_sheet(page, title=f"Liked photos of {reference(profile)}", sections=sections)
        _photograph(page, path)
    with PillowImage.open(path) as image:
        shown = image.convert("RGB")
    paper = PillowImage.new("RGB", shown.size, shown.getpixel((0, 0)) or 0)
    _, _, _, bottom = ImageChops.difference(shown, paper).getbbox() or (0, 0, *shown.size)
    sheet = shown.crop((0, 0, shown.width, bottom + 16))
    # With a palette given it is dithered: skies have no bands.
    sheet.quantize(palette=sheet.quantize(256)).save(path, optimize=True)


def _photograph(page: Path, path: Path) -> None:
    """A page as a browser shows it, from its top on.

    Raises:
        OSError: There is no browser.
    """
    for browser in _BROWSERS:
        options = ("--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu")
        size = f"--window-size={_SHEET_PX[0]},{_SHEET_PX[1]}"
        command = [browser, *options, size, f"--screenshot={path}", page.as_uri()]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError:
            continue
        return
    raise OSError(f"none of {', '.join(_BROWSERS)} is there: the contact sheet needs one")


if __name__ == "__main__":
    sys.exit(main())
