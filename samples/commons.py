"""Sample photos from Wikimedia Commons, for systems without Debian's packages.

Tested against a local server that answers in the API's documented shape, never against Commons itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import islice
from pathlib import Path
from typing import Any, Final

from samples.commons_client import CommonsClient
from samples.copies import SCREEN_PX
from samples.photo_folder import (
    Photo,
    Progress,
    Role,
    SamplePhotos,
    link_or_copy,
    load_photos,
    seal_photos,
)
from samples.whole_folder import only_one, replaced_whole

COMMONS_API: Final = "https://commons.wikimedia.org/w/api.php"
FOLDER: Final = "commons-photos"

_NATURE: Final = (
    "Category:Quality images of landscapes",
    "Category:Quality images of lakes",
    "Category:Featured pictures of landscapes",
)
_THINGS: Final = (
    "Category:Quality images of objects",
    "Category:Featured pictures of objects",
    "Category:Quality images of clocks",
    "Category:Featured pictures of food",
)
_KEY: Final = "commons-1"
_WIDTH_PX: Final = 1920
# The API makes at most this many smaller renditions a request.
_PAGE: Final = "50"
_SUFFIXES: Final = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


@dataclass(frozen=True)
class _Found:
    title: str
    page_id: int
    url: str
    mime: str
    author: str
    licence: str
    page: str


def fetch_commons_photos(
    cache: Path, *, progress: Progress, client: CommonsClient | None = None
) -> SamplePhotos:
    """Photos of the same four roles as the Debian ones, from named categories of Wikimedia Commons.

    They are renditions 1920 pixels wide, at most one by the same author out of a category, so that no series is
    split between the roles. `photos.json` beside them keeps the licence, the author and the page of each.

    Args:
        cache: Where to keep them; later calls only look whether they are still there.
        progress: Is told what goes on, a line at a time.
        client: Of another MediaWiki.

    Raises:
        DownloadError: No network, or Commons would not answer.
        TooFewPhotosError: The categories hold too few.
    """
    folder = cache.absolute() / FOLDER
    kept = load_photos(folder, _KEY)
    if kept is not None:
        return kept
    with only_one(folder, progress=progress):
        kept = load_photos(folder, _KEY)
        if kept is None:
            _fetch(folder, client or CommonsClient(COMMONS_API), progress=progress)
            kept = load_photos(folder, _KEY)
    assert kept is not None, "the folder has just been made whole"
    return kept


def _fetch(folder: Path, client: CommonsClient, *, progress: Progress) -> None:
    progress("asking Wikimedia Commons for photos")
    chosen = [
        *_dealt(_choose(client, _NATURE, 28), (Role.LIKED, 18), (Role.HELD_BACK, 10)),
        *_dealt(_choose(client, _THINGS, 59), (Role.OTHER, 38), (Role.BACKGROUND, 21)),
    ]
    # Kept until all is done, so that a run that was interrupted goes on where it was.
    downloads = folder.with_name(f"{folder.name}.downloads")
    downloads.mkdir(exist_ok=True)
    photos = []
    with replaced_whole(folder) as draft:
        for number, (role, found) in enumerate(chosen):
            if number % 10 == 0:
                progress(f"downloaded {number} of {len(chosen)} photos")
            name = _file_name(found)
            if not (downloads / name).exists():
                client.download(found.url, downloads / name)
            link_or_copy(downloads / name, draft / role / name)
            photos.append(Photo(role, name, found.licence, found.author, found.page))
        seal_photos(draft, photos, key=_KEY)
    for left in downloads.iterdir():
        left.unlink()
    downloads.rmdir()


def _choose(client: CommonsClient, categories: Sequence[str], count: int) -> list[_Found]:
    """The first `count` usable photos, taken from the categories in turn."""
    sources = [_usable(client, category) for category in categories]
    chosen: dict[str, _Found] = {}
    while sources and len(chosen) < count:
        source = sources.pop(0)
        found = next(source, None)
        if found is not None:
            chosen.setdefault(found.title, found)
            sources.append(source)
    return list(chosen.values())


def _usable(client: CommonsClient, category: str) -> Iterator[_Found]:
    """A category's photos that the crawl could keep, one an author."""
    authors: set[str] = set()
    for page in _members(client, category):
        found = _found(page)
        if found is not None and found.author not in authors:
            authors.add(found.author)
            yield found


def _members(client: CommonsClient, category: str) -> Iterator[dict[str, Any]]:
    """Every file of a category with its imageinfo, by title within each answer."""
    query = {
        "generator": "categorymembers",
        "gcmtitle": category,
        "gcmtype": "file",
        "gcmlimit": _PAGE,
        "prop": "imageinfo",
        "iiprop": "url|size|mime|extmetadata",
        "iiurlwidth": str(_WIDTH_PX),
        "iiextmetadatafilter": "LicenseShortName|Artist",
    }
    following: dict[str, str] | None = {}
    while following is not None:
        answer = client.ask({**query, **following})
        pages = answer.get("query", {}).get("pages", [])
        yield from sorted(pages, key=lambda page: str(page["title"]))
        following = answer.get("continue")


def _found(page: dict[str, Any]) -> _Found | None:
    """What a page's imageinfo says; None if the crawl's screen would refuse the picture."""
    for info in islice(page.get("imageinfo", []), 1):
        width, height = info.get("thumbwidth", 0), info.get("thumbheight", 0)
        fits = width * height >= SCREEN_PX and width <= 3 * height and height <= 2 * width
        if fits and info["mime"] in _SUFFIXES:
            about = info.get("extmetadata", {})
            return _Found(
                title=page["title"],
                page_id=page["pageid"],
                url=info["thumburl"],
                mime=info["mime"],
                author=_plain(about, "Artist"),
                licence=_plain(about, "LicenseShortName"),
                page=info["descriptionurl"],
            )
    return None


def _dealt(
    found: Sequence[_Found], first: tuple[Role, int], second: tuple[Role, int]
) -> Iterator[tuple[Role, _Found]]:
    """Deals photos to two roles, evenly mixed, in the ratio of the roles' counts."""
    total = first[1] + second[1]
    for i, photo in enumerate(found):
        is_second = (i + 1) * second[1] // total > i * second[1] // total
        yield (second if is_second else first)[0], photo


def _plain(about: dict[str, Any], field: str) -> str:
    """A metadata field without its HTML."""
    text = re.sub(r"<[^>]*>", " ", str(about.get(field, {}).get("value", "")))
    return " ".join(unescape(text).split())


def _file_name(found: _Found) -> str:
    stem = re.sub(r"[^\w.-]+", "_", found.title.removeprefix("File:").rsplit(".", 1)[0])
    return f"{stem[:60]}_{found.page_id}{_SUFFIXES[found.mime]}"
