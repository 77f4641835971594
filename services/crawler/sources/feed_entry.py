"""An entry of a feed: what it says of itself, and where its images are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

from services.crawler.fetch.url import BadUrl, WebUrl
from services.crawler.post import Post
from services.crawler.resolvers.reading import elements, members, word
from services.crawler.resolvers.registry import resolve, resolve_or_ask
from services.crawler.resolvers.resolution import (
    NOTHING,
    Ask,
    Images,
    ImageUrl,
    Resolution,
    or_else,
)
from services.crawler.sources.feed_document import Feed, entry_time
from services.crawler.sources.html_text import text_of_html
from services.crawler.sources.page_images import read_page
from services.crawler.sources.source import IMAGE_SUFFIXES
from services.crawler.sources.text import clean_text

_TAGS_MAX = 50
_ID_CHARACTERS = 1_000
_AREA_MAX = 10**10


def read_entry(entry: Mapping[str, Any], feed: Feed) -> Post:
    """Reads an entry; its `post_id` is the entry's own, else the address of its page or first image, and may be empty.

    Its images are those that it encloses or declares (Media RSS; of several sizes the largest), then those in its text.
    If it has none, its page is asked for them; a thumbnail is what is left.
    """
    page = _join(feed.url, entry.get("link"))
    images = _images(entry, feed)
    tags = [word(members(tag).get("term")) for tag in elements(entry.get("tags"))[:_TAGS_MAX]]
    facts = {"tags": [clean_text(tag) for tag in tags], "feed": _text(feed.facts.get("title"))}
    return Post(
        images=_resolution(images, page, entry, feed),
        post_id=_post_id(entry, page, images),
        time=entry_time(entry),
        title=_text(entry.get("title")),
        author=clean_text(entry.get("author")),
        page_url=page.text if page else "",
        licence=_licence(entry) or _licence(feed.facts),
        facts={name: fact for name, fact in facts.items() if fact},
    )


def _post_id(entry: Mapping[str, Any], page: WebUrl | None, images: Images) -> str:
    addresses = [page, *(image.url for image in images.images[:1])]
    first = next((url.text for url in addresses if url is not None), "")
    return word(entry.get("id"))[:_ID_CHARACTERS] or first


def _resolution(
    images: Images, page: WebUrl | None, entry: Mapping[str, Any], feed: Feed
) -> Resolution:
    if len(images.images) == 1:
        # Where its host is known, what it has of that image may be better.
        return _best(images.images[0])
    if images.images:
        return images
    thumbnails = Images.of(_thumbnails(entry, feed), is_best=False)
    if page is None:
        return thumbnails if thumbnails.images else NOTHING
    asked = resolve_or_ask(page)
    if isinstance(asked, Ask) and thumbnails.images:
        return replace(asked, fallback=or_else(asked.fallback, thumbnails))
    return asked


def _best(image: ImageUrl) -> Resolution:
    found = resolve(image.url) or Images((image,))
    if isinstance(found, Ask):
        return found
    return replace(
        found, images=tuple(replace(one, title=one.title or image.title) for one in found.images)
    )


def _images(entry: Mapping[str, Any], feed: Feed) -> Images:
    return Images.of(chain(_declared(entry, feed), _enclosed(entry, feed), _shown(entry, feed)))


def _declared(entry: Mapping[str, Any], feed: Feed) -> Iterator[ImageUrl]:
    """Media RSS: of those with a stated size the largest, and all without one.

    Whether they are sizes of one image (`media:group`) feedparser does not tell, and many feeds list sizes without it.
    """
    contents = [content for content in _members(entry, "media_content") if _is_image(content)]
    largest = max(map(_area, contents), default=0)
    for content in contents:
        url = _join(feed.url, content.get("url"))
        if url is not None and _area(content) in (0, largest):
            yield ImageUrl(url)


def _enclosed(entry: Mapping[str, Any], feed: Feed) -> Iterator[ImageUrl]:
    for link in _members(entry, "links"):
        url = _join(feed.url, link.get("href"))
        if url is not None and link.get("rel") == "enclosure" and _is_image(link):
            yield ImageUrl(url)


def _shown(entry: Mapping[str, Any], feed: Feed) -> Iterator[ImageUrl]:
    """What the entry's text shows, the widest of each `srcset`; read as a page would be."""
    for text in (*_members(entry, "content"), members(entry.get("summary_detail"))):
        base = _join(feed.url, text.get("base")) or feed.url
        page = _join(base, entry.get("link")) or base
        for address, title in read_page(word(text.get("value")), page).images.items():
            url = _join(page, address)
            if url is not None:
                yield ImageUrl(url, title)


def _thumbnails(entry: Mapping[str, Any], feed: Feed) -> Iterator[ImageUrl]:
    for thumbnail in _members(entry, "media_thumbnail"):
        url = _join(feed.url, thumbnail.get("url"))
        if url is not None:
            yield ImageUrl(url, is_preview=True)


def _licence(facts: Mapping[str, Any]) -> str:
    """A licence's address (`cc:license`, `rel=license`) or name (`media:license`), else the statement of rights."""
    for link in _members(facts, "links"):
        if link.get("rel") == "license" and word(link.get("href")):
            return clean_text(link["href"])
    media = members(facts.get("media_license"))
    stated = word(media.get("href")) or word(media.get("content"))
    return clean_text(stated) or _text(facts.get("rights"))


def _is_image(content: Mapping[str, Any]) -> bool:
    """By what it says of itself; by its name if it says nothing."""
    kind, medium = word(content.get("type")).lower(), word(content.get("medium")).lower()
    if kind or medium:
        return kind.startswith("image/") or (medium == "image" and not kind)
    address = word(content.get("url")) or word(content.get("href"))
    path = address.partition("?")[0].partition("#")[0]
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def _area(content: Mapping[str, Any]) -> int:
    """Width × height, px; the square of the one that is stated if the other is not; 0 if none is."""
    sides = [_side(content.get(name)) for name in ("width", "height")]
    return min((sides[0] or sides[1]) * (sides[1] or sides[0]), _AREA_MAX)


def _side(value: object) -> int:
    digits = word(value).strip()[:6]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _text(html: object) -> str:
    return text_of_html(word(html))


def _members(facts: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [members(item) for item in elements(facts.get(name))]


def _join(base: WebUrl, reference: object) -> WebUrl | None:
    if not isinstance(reference, str) or not reference.strip():
        return None
    try:
        return base.join(reference)
    except BadUrl:
        return None
