"""From what a MediaWiki says of a file to a post."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.crawler.fetch.url import WebUrl
from services.crawler.post import Post, PostFlags
from services.crawler.resolvers.reading import elements, image_suffix, members, web_url, word
from services.crawler.resolvers.resolution import NOTHING, Images, ImageUrl
from services.crawler.sources.html_text import text_of_html
from services.crawler.sources.options import join_options
from services.crawler.sources.text import clean_text

# What Wikimedia's servers keep (https://www.mediawiki.org/wiki/Common_thumbnail_sizes); other widths are refused there.
WIDTHS_PX = (1280, 1920, 3840)

_METADATA = (
    *("LicenseShortName", "License", "LicenseUrl", "UsageTerms", "Artist", "Credit", "Attribution"),
    *("AttributionRequired", "ObjectName", "ImageDescription", "DateTimeOriginal", "Restrictions"),
)
_INFO_FACTS = ("user", "sha1", "mime", "width", "height", "size")
_METADATA_FACTS = (
    *("LicenseUrl", "UsageTerms", "Credit", "Attribution", "AttributionRequired"),
    *("ImageDescription", "DateTimeOriginal", "Restrictions"),
)


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Which size of a file is listed.

    Attributes:
        width_px: One of `WIDTHS_PX` for a copy of that width; None for the original.
        max_bytes: An original with more is listed as its widest copy.
        max_pixels: The same, width × height.
    """

    width_px: int | None
    max_bytes: int
    max_pixels: int

    @property
    def query(self) -> dict[str, str]:
        """What to ask `prop=imageinfo` for."""
        return {
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|extmetadata|timestamp|user",
            "iiurlwidth": str(self.width_px or WIDTHS_PX[-1]),
            "iiextmetadatafilter": "|".join(_METADATA),
            "iiextmetadatalanguage": "en",
        }

    def choose(self, info: Mapping[str, Any]) -> Images:
        """The image to list; none of a file that is no bitmap of a kind that is kept."""
        original, copy = web_url(info.get("url")), web_url(info.get("thumburl"))
        if original is None or not image_suffix(info.get("mime")):
            return NOTHING
        if copy is None or copy == original or not (self.width_px or self._is_too_large(info)):
            return Images((ImageUrl(original),))
        return _copy(copy)

    def _is_too_large(self, info: Mapping[str, Any]) -> bool:
        pixels = _number(info.get("width")) * _number(info.get("height"))
        return _number(info.get("size")) > self.max_bytes or pixels > self.max_pixels


def _copy(url: WebUrl) -> Images:
    return Images((ImageUrl(url, is_preview=True),), is_best=False)


def read_file(page: Mapping[str, Any], sizes: FileSizes, *, community: str = "") -> Post:
    """A post of one file.

    Args:
        page: A page of `generator=…&prop=imageinfo`, format version 2, as asked for with `FileSizes.query`.
        sizes: Which size to list.
        community: Where it was found, as a source; empty for the source that is its uploader.
    """
    info = next(map(members, elements(page.get("imageinfo"))), {})
    about = members(info.get("extmetadata"))
    uploader = clean_text(info.get("user"))
    return Post(
        images=sizes.choose(info),
        post_id=_page_id(page),
        time=_time(info.get("timestamp")),
        title=_said(about, "ObjectName") or _name(page),
        author=_said(about, "Artist") or uploader,
        page_url=_page_url(info),
        licence=_licence(about),
        community=community or user_uri(uploader),
        flags=PostFlags(
            is_video=word(info.get("mime")).startswith("video/"),
            is_removed=page.get("missing") is True or info.get("filehidden") is True,
        ),
        facts=_facts(info, about),
    )


def category_uri(title: str, options: Mapping[str, str] | None = None) -> str:
    """The source that lists a category, given its whole title."""
    return f"commons:{join_options(title.replace(' ', '_'), options or {})}"


def user_uri(name: str, options: Mapping[str, str] | None = None) -> str:
    """The source that lists what somebody uploaded; empty for nobody."""
    place = f"user/{name.replace(' ', '_')}"
    return f"commons:{join_options(place, options or {})}" if name else ""


def _licence(about: Mapping[str, Any]) -> str:
    names = (_said(about, name) for name in ("LicenseShortName", "License", "UsageTerms"))
    return next(filter(None, names), "")


def _facts(info: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name in _INFO_FACTS:
        value = info.get(name)
        if isinstance(value, str | int):
            facts[name] = clean_text(value) if isinstance(value, str) else value
    said = ((name, _said(about, name)) for name in _METADATA_FACTS)
    return facts | {name: text for name, text in said if text}


def _said(about: Mapping[str, Any], name: str) -> str:
    """A field of `extmetadata`, without its HTML."""
    value = members(about.get(name)).get("value")
    return text_of_html(value) if isinstance(value, str) else ""


def _page_id(page: Mapping[str, Any]) -> str:
    number = page.get("pageid")
    return str(number) if isinstance(number, int) else clean_text(page.get("title"))


def _name(page: Mapping[str, Any]) -> str:
    """`File:A lake.jpg` as `A lake`."""
    name = clean_text(page.get("title")).partition(":")[2]
    return name.rpartition(".")[0] or name


def _page_url(info: Mapping[str, Any]) -> str:
    url = web_url(info.get("descriptionurl"))
    return url.text if url is not None else ""


def _time(text: object) -> float | None:
    try:
        stated = datetime.fromisoformat(word(text))
        return stated.replace(tzinfo=stated.tzinfo or UTC).timestamp()
    except (OverflowError, ValueError):
        return None


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
