"""Imgur: pages, albums, galleries and files, to the originals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.crawler.fetch.url import WebUrl, parse_url
from services.crawler.resolvers.declared_images import declared_images
from services.crawler.resolvers.reading import (
    elements,
    image_suffix,
    members,
    read_json,
    segments,
    web_url,
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
from services.crawler.sources.text import clean_text

_API = "https://api.imgur.com/3/"
_NAMES = ("imgur.com", "imgur.io")
_PAGE_HOSTS = frozenset(f"{prefix}{name}" for name in _NAMES for prefix in ("", "www.", "m."))
_FILE_HOSTS = frozenset(f"i.{name}" for name in _NAMES)
_HOSTS = _FILE_HOSTS | _PAGE_HOSTS
_ID = re.compile(r"[A-Za-z0-9]{7}|[A-Za-z0-9]{5}")
# Thumbnails have one letter behind the id (https://api.imgur.com/models/image).
_FILE = re.compile(r"([A-Za-z0-9]{7}|[A-Za-z0-9]{5})(?:[sbtmlh]?(?:_d)?\.([A-Za-z0-9]{1,5}))?")
# The original answers to each of them, whatever it is.
_STILL = frozenset({"jpg", "jpeg", "png"})
_MOVING = frozenset({"gif", "gifv", "mp4", "webm", "mpg", "mpeg"})
_NO_IDS = frozenset(
    (
        *("about", "account", "emerald", "gallery", "memegen", "press", "privacy", "random"),
        *("removed", "rules", "search", "store", "terms", "tools", "topic", "upload", "viral"),
    )
)
_IDS_MAX = 100


def resolve_imgur(url: WebUrl) -> Resolution | None:
    """The images of an address on Imgur; None for its other pages and every other host.

    A single page and a file need no question. An album needs the API; without it, its cover is what can be had.
    """
    if url.host in _HOSTS:
        match segments(url):
            case ["removed.png"]:
                return NOTHING
            case ["a", name, *_]:
                return _album(name)
            case ["gallery", name, *_] | ["t" | "topic", _, name, *_]:
                return _gallery(name)
            case [name] | ["r", _, name, *_] | ["download", name, *_]:
                return _single(name)
    return None


def _album(name: str) -> Resolution | None:
    album_id = _id(name)
    return _ask_album(album_id, _ask_page(f"a/{album_id}")) if album_id else None


def _gallery(name: str) -> Resolution | None:
    """An album, or one image: the address does not say."""
    gallery_id = _id(name)
    if not gallery_id:
        return None
    image_url = parse_url(f"{_API}image/{gallery_id}")
    page = _ask_page(f"gallery/{gallery_id}")
    image = Ask(image_url, AskKind.IMGUR_API, _read_api, fallback=page)
    return _ask_album(gallery_id, image)


def _single(names: str) -> Resolution | None:
    """`ID`, `slug-ID`, `ID.jpg`, `IDl.jpg`, or what old pages had: several with commas."""
    images = [_file(_last_word(name)) for name in names.split(",")[:_IDS_MAX]]
    return Images.of(images) if any(images) else None


def _ask_album(album_id: str, fallback: Resolution) -> Ask:
    url = parse_url(f"{_API}album/{album_id}/images")
    return Ask(url, AskKind.IMGUR_API, _read_api, fallback)


def _ask_page(path: str) -> Ask:
    url = parse_url(f"https://imgur.com/{path}")
    return Ask(url, AskKind.PAGE, _read_page, fallback=NOT_KNOWN)


def _id(name: str) -> str:
    found = _last_word(name)
    return found if _ID.fullmatch(found) and found not in _NO_IDS else ""


def _last_word(name: str) -> str:
    """The id of `a-title-ID`."""
    return name.rpartition("-")[2]


def _file(name: str, title: str = "") -> ImageUrl | None:
    """An original; of what moves the `.gif`, since its other suffixes are films."""
    match = _FILE.fullmatch(name)
    if match is None or match[1] in _NO_IDS:
        return None
    suffix = (match[2] or "jpg").lower()
    if suffix in _MOVING:
        suffix = "gif"
    elif suffix not in _STILL:
        suffix = "jpg"
    return ImageUrl(parse_url(f"https://i.imgur.com/{match[1]}.{suffix}"), title)


def _read_api(answer: Answer) -> Images:
    """The images of an album's or an image's answer (https://apidocs.imgur.com), films left out."""
    body = members(read_json(answer))
    data = body.get("data")
    found = elements(data) or elements(members(data).get("images")) or [members(data)]
    if body.get("success") is not True or not any(found):
        raise Unanswered(answer.url, "it names no images")
    return Images.of(map(imgur_image, found))


def imgur_image(item: object) -> ImageUrl | None:
    """An image as the API describes it (https://api.imgur.com/models/image); None for a film, or one that is gone."""
    facts = members(item)
    suffix = image_suffix(facts.get("type"))
    link = web_url(facts.get("link"))
    if not suffix or link is None or link.host not in _FILE_HOSTS or len(segments(link)) != 1:
        return None
    if segments(link) == ["removed.png"]:
        return None
    title = clean_text(facts.get("title")) or clean_text(facts.get("description"))
    # Of a large animation the link is that of a thumbnail.
    return _file(segments(link)[0], title) or ImageUrl(link, title)


def _read_page(answer: Answer) -> Images:
    """The files that the page's head names: the cover of an album, if not the whole of it."""
    images = Images.of(_page_images(answer), is_best=False)
    if not images.images:
        raise Unanswered(answer.url, "the page names no image of Imgur's")
    return images


def _page_images(answer: Answer) -> Iterator[ImageUrl | None]:
    for url in declared_images(answer.text, answer.url):
        if url.host in _FILE_HOSTS and len(segments(url)) == 1:
            yield _file(segments(url)[0])
