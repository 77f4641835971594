"""From what Flickr's lists say of a photo to a post."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.post import Post, PostFlags
from services.crawler.resolvers.flickr import flickr_number, resolve_flickr, static_url
from services.crawler.resolvers.reading import word
from services.crawler.resolvers.resolution import NOTHING, Images, ImageUrl, Resolution
from services.crawler.sources.text import clean_text

# The original, then from 6,144 px down to 1,024 on the longer side (https://www.flickr.com/services/api/misc.urls.html).
_SIZES = ("o", "6k", "5k", "4k", "3k", "k", "h", "l")
EXTRAS = ",".join(
    (*(f"url_{size}" for size in _SIZES), "license", "owner_name", "date_upload", "tags", "media", "path_alias")
)  # fmt: skip

# flickr.photos.licenses.getInfo; those from 11 on came in June 2025
# (https://blog.flickr.net/en/2025/06/18/creative-commons-4-0-has-arrived-on-flickr/).
LICENCES: Mapping[str, str] = {
    "0": "All Rights Reserved",
    "1": "CC BY-NC-SA 2.0",
    "2": "CC BY-NC 2.0",
    "3": "CC BY-NC-ND 2.0",
    "4": "CC BY 2.0",
    "5": "CC BY-SA 2.0",
    "6": "CC BY-ND 2.0",
    "7": "No known copyright restrictions",
    "8": "United States Government Work",
    "9": "CC0 1.0",
    "10": "Public Domain Mark",
    "11": "CC BY 4.0",
    "12": "CC BY-SA 4.0",
    "13": "CC BY-ND 4.0",
    "14": "CC BY-NC 4.0",
    "15": "CC BY-NC-SA 4.0",
    "16": "CC BY-NC-ND 4.0",
}
_LAST_TIME = 32_503_680_000


def read_photo(photo: Mapping[str, Any], *, community: str = "", max_pixels: int) -> Post | None:
    """A post of one photo; None if it has no id.

    Args:
        photo: An entry of a list that was asked for with `EXTRAS`.
        community: Where it was found, as a source; empty for its owner's photos.
        max_pixels: Larger sizes are not listed if there is a smaller one, width × height.
    """
    photo_id = _digits(photo.get("id"))
    if not photo_id:
        return None
    owner = clean_text(photo.get("owner"))
    page_url = _page_url(photo, owner, photo_id)
    is_video = photo.get("media") == "video"
    images = NOTHING if is_video else _images(photo, page_url, max_pixels)
    return Post(
        images=images,
        post_id=photo_id,
        time=_time(photo.get("dateupload")),
        title=clean_text(photo.get("title")),
        author=clean_text(photo.get("ownername")) or owner,
        page_url=page_url,
        licence=_licence(photo.get("license")),
        community=community or (f"flickr:user/{owner}" if owner else ""),
        flags=PostFlags(is_video=is_video),
        facts=_facts(photo),
    )


def _images(photo: Mapping[str, Any], page_url: str, max_pixels: int) -> Resolution:
    """The largest size that is not too large; without any, the API knows them (`flickr.photos.getSizes`)."""
    found = []
    for size in _SIZES:
        url = static_url(photo.get(f"url_{size}"))
        sides = (flickr_number(photo.get(f"{side}_{size}")) for side in ("width", "height"))
        if url is not None:
            width, height = sides
            found.append((width * height, url))
    fitting = [size for size in found if size[0] <= max_pixels] or found[-1:]
    if fitting:
        return Images((ImageUrl(max(fitting, key=lambda size: size[0])[1]),))
    try:
        return (resolve_flickr(parse_url(page_url)) if page_url else None) or NOTHING
    except BadUrl:
        return NOTHING


def _page_url(photo: Mapping[str, Any], owner: str, photo_id: str) -> str:
    person = clean_text(photo.get("pathalias")) or owner
    is_name = bool(person) and all(char.isalnum() or char in "@_-" for char in person)
    return f"https://www.flickr.com/photos/{person}/{photo_id}/" if is_name else ""


def _licence(number: object) -> str:
    text = str(number) if isinstance(number, str | int) else ""
    return LICENCES.get(text, f"Flickr licence {text[:10]}" if text else "")


def _facts(photo: Mapping[str, Any]) -> dict[str, object]:
    names = ("owner", "license", "tags", "dateadded")
    return {name: clean_text(str(photo[name])) for name in names if photo.get(name)}


def _digits(value: object) -> str:
    text = word(value)
    return text if text.isascii() and text.isdigit() and len(text) <= 20 else ""


def _time(value: object) -> float | None:
    text = str(value) if isinstance(value, str | int) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        return None
    return float(text) if 0 < int(text) < _LAST_TIME else None
