"""Addresses that are images already."""

from __future__ import annotations

import re

from services.crawler.fetch.url import WebUrl, parse_url
from services.crawler.resolvers.reading import is_on, segments
from services.crawler.resolvers.resolution import NOTHING, Images, ImageUrl, Resolution
from services.crawler.sources.source import IMAGE_SUFFIXES

# Reddit's own: `ID.jpg`, and in addresses of previews `a-title-v0-ID.jpg`.
_REDDIT_FILE = re.compile(
    r"(?:[^/]{1,300}-v0-)?([A-Za-z0-9_]{6,40})\.(jpe?g|png|webp|gif)", re.IGNORECASE
)


def resolve_direct(url: WebUrl) -> Resolution | None:
    """Reddit's image hosts, and every other address whose path ends as an image's.

    A preview of Reddit becomes its original. None if it does not look like an image.
    """
    match url.host:
        case "i.redd.it" | "preview.redd.it":
            return Images((_reddit_image(url),))
        case "external-preview.redd.it" | "i.redditmedia.com":
            return Images((ImageUrl(url, is_preview=True),))
        case "v.redd.it":
            return NOTHING
    return Images((ImageUrl(url),)) if _looks_like_image(url) else None


def _reddit_image(url: WebUrl) -> ImageUrl:
    parts = segments(url)
    match = _REDDIT_FILE.fullmatch(parts[0]) if len(parts) == 1 else None
    if match is None:
        return ImageUrl(url, is_preview=url.host == "preview.redd.it")
    return ImageUrl(parse_url(f"https://i.redd.it/{match[1]}.{match[2]}"))


def _looks_like_image(url: WebUrl) -> bool:
    # `/wiki/File:Lake.jpg` is the page that shows it.
    is_wiki_page = ":" in url.file_name and not is_on(url, "upload.wikimedia.org")
    return url.suffix in IMAGE_SUFFIXES and not is_wiki_page
