"""Flickr: pages, short links and static links, to the largest size there is."""

from __future__ import annotations

import re
from functools import partial

from services.crawler.fetch.url import WebUrl, parse_url
from services.crawler.resolvers.declared_images import declared_images
from services.crawler.resolvers.reading import (
    elements,
    is_on,
    members,
    read_json,
    segments,
    web_url,
    word,
)
from services.crawler.resolvers.resolution import (
    NOT_KNOWN,
    NOTHING,
    Answer,
    Ask,
    AskKind,
    Images,
    ImageUrl,
    Resolution,
    Unanswered,
)

_API = "https://api.flickr.com/services/rest/?method=flickr.photos.getSizes&format=json&nojsoncallback=1&photo_id="
_PAGE_HOSTS = frozenset({"flickr.com", "www.flickr.com", "m.flickr.com", "secure.flickr.com"})
_STATIC_DOMAINS = ("staticflickr.com", "static.flickr.com")
_BASE58 = "123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
_SHORT_CODE = re.compile(rf"[{_BASE58}]{{1,11}}")
_USER = re.compile(r"[A-Za-z0-9@%_.-]{1,100}")
_PHOTO_ID = re.compile(r"[0-9]{1,20}")
_STATIC_FILE = re.compile(r"([0-9]{1,20})_[0-9a-f]{6,20}(?:_[a-z0-9]{1,4})?\.(?:jpg|png|gif)")
_NUMBER = re.compile(r"[0-9]{1,7}")


def resolve_flickr(url: WebUrl) -> Resolution | None:
    """One photo of Flickr; None for albums, people and every other host.

    The API (`flickr.photos.getSizes`) knows the sizes. Without it a page's `og:image` is what can be had, of a static
    link the link itself.
    """
    if any(is_on(url, domain) for domain in _STATIC_DOMAINS):
        photo_id = _static_photo_id(url)
        given = Images((ImageUrl(url),), is_best=False)
        return _ask_sizes(photo_id, given) if photo_id else None
    photo_id, page = _photo_page(url)
    if not photo_id:
        return None
    read = partial(_read_page, photo_id)
    return _ask_sizes(photo_id, Ask(parse_url(page), AskKind.PAGE, read, fallback=NOT_KNOWN))


def _ask_sizes(photo_id: str, fallback: Resolution) -> Ask:
    return Ask(parse_url(_API + photo_id), AskKind.FLICKR_API, _read_sizes, fallback)


def _photo_page(url: WebUrl) -> tuple[str, str]:
    """The photo's id and its page; both empty if the address is of something else."""
    match url.host, segments(url):
        case "flic.kr" | "www.flic.kr", ["p", code, *_] if _SHORT_CODE.fullmatch(code):
            return str(_base58_number(code)), f"https://flic.kr/p/{code}"
        case host, ["photos", user, photo_id, *_] if host in _PAGE_HOSTS:
            if _USER.fullmatch(user) and _PHOTO_ID.fullmatch(photo_id):
                return photo_id, f"https://www.flickr.com/photos/{user}/{photo_id}/"
    return "", ""


def _static_photo_id(url: WebUrl) -> str:
    match = _STATIC_FILE.fullmatch(segments(url)[-1]) if segments(url) else None
    return match[1] if match else ""


def _base58_number(code: str) -> int:
    """Flickr's short codes (https://www.flickr.com/services/api/misc.urls.html)."""
    number = 0
    for char in code:
        number = number * len(_BASE58) + _BASE58.index(char)
    return number


def _read_sizes(answer: Answer) -> Images:
    """The largest by area, of a photo; a video has none."""
    body = members(read_json(answer))
    sizes = [members(size) for size in elements(members(body.get("sizes")).get("size"))]
    if body.get("stat") != "ok" or not sizes:
        raise Unanswered(answer.url, "it names no sizes")
    photos = [size for size in sizes if size.get("media") == "photo"]
    if not photos:
        return NOTHING
    sources = [(_area_px(size), url) for size in photos if (url := static_url(size.get("source")))]
    if not sources:
        raise Unanswered(answer.url, "none of its sizes is on staticflickr.com")
    return Images((ImageUrl(max(sources, key=lambda source: source[0])[1]),))


def _area_px(size: dict[str, object]) -> int:
    width, height = (flickr_number(size.get(side)) for side in ("width", "height"))
    return width * height


def flickr_number(value: object) -> int:
    """A number below ten million, which the API gives as such or as a string; 0 if it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, 0), 10**7)
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else 0


def static_url(source: object) -> WebUrl | None:
    """An address on Flickr's own servers of images; None if it is none."""
    url = web_url(word(source).replace("http://", "https://", 1))
    return url if url is not None and is_on(url, _STATIC_DOMAINS[0]) else None


def _read_page(photo_id: str, answer: Answer) -> Images:
    """The page's `og:image`, if it is of this photo: pages of removed ones show Flickr's own."""
    for url in declared_images(answer.text, answer.url):
        on_static = any(is_on(url, domain) for domain in _STATIC_DOMAINS)
        if on_static and _static_photo_id(url) == photo_id:
            return Images((ImageUrl(url, is_preview=True),), is_best=False)
    raise Unanswered(answer.url, "the page names no image of this photo")
