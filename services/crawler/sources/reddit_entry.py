"""A post in one of Reddit's feeds, which say less of it than the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from services.crawler.fetch.url import parse_url
from services.crawler.post import Post
from services.crawler.resolvers.direct import resolve_direct
from services.crawler.resolvers.reading import elements, is_on, members, web_url, word
from services.crawler.resolvers.reddit_post import reddit_post_id
from services.crawler.resolvers.registry import resolve_or_ask, resolve_post
from services.crawler.resolvers.resolution import Ask, Images, ImageUrl, Resolution, or_else
from services.crawler.sources.feed_document import entry_time
from services.crawler.sources.html_tags import Tag, read_tags
from services.crawler.sources.page_images import read_page

_NAME = re.compile(r"t3_([a-z0-9]{1,16})")
_SITE = parse_url("https://www.reddit.com/")


def read_reddit_entry(entry: Mapping[str, Any]) -> Post | None:
    """Reads an entry; None if it is no post (`t3_…`).

    What it does not say is not known: whether the post is for adults, a spoiler or removed, its flair, and what it is a
    crosspost of. Of a gallery it shows the first image; the API is asked for the others.
    """
    # feedparser takes the name for an address, relative to that of the feed.
    name = _NAME.fullmatch(word(entry.get("id")).rpartition("/")[2])
    if name is None:
        return None
    raw = _raw_post(name[1], entry)
    post = resolve_post({key: value for key, value in raw.items() if value not in (None, "")})
    if raw["is_self"]:
        return replace(post, images=Images.of(_own_images(_content(entry))))
    if raw["is_gallery_link"]:
        return replace(post, images=_gallery(raw["url"], raw["thumbnail"]))
    return post


def _raw_post(post_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as the API would say it, under the API's names."""
    links = _links(_content(entry))
    page, linked = web_url(entry.get("link")), web_url(links.get("[link]"))
    thumbnail = next(
        (word(members(item).get("url")) for item in elements(entry.get("media_thumbnail"))), ""
    )
    tags = [word(members(tag).get("term")) for tag in elements(entry.get("tags"))]
    leads_to = reddit_post_id(linked) if linked else ""
    is_gallery = linked is not None and linked.path.startswith("/gallery/")
    return {
        "id": post_id,
        "title": entry.get("title"),
        "author": word(entry.get("author")).removeprefix("/u/"),
        "permalink": page.text.removeprefix(_SITE.text[:-1]) if page else "",
        "url": linked.text if linked else "",
        "created_utc": entry_time(entry),
        "subreddit": tags[0] if tags else "",
        "is_self": linked is None or (leads_to == post_id and not is_gallery),
        "is_gallery_link": leads_to == post_id and is_gallery,
        "is_video": linked is not None and linked.host == "v.redd.it",
        "preview": {"images": [{"source": {"url": thumbnail}}]},
        "thumbnail": thumbnail,
    }


def _gallery(address: str, thumbnail: str) -> Resolution:
    """All images as the API has them; without an answer the first one, of which the entry shows a copy."""
    first = web_url(thumbnail)
    copy = resolve_direct(first) if first and is_on(first, "redd.it") else None
    shown = Images.of(copy.images, is_best=False) if isinstance(copy, Images) else Images((), False)
    asked = resolve_or_ask(parse_url(address))
    # Only without an answer: what the API says has no images has none.
    return (
        replace(asked, fallback=or_else(asked.fallback, shown)) if isinstance(asked, Ask) else shown
    )


def _own_images(content: str) -> Iterator[ImageUrl]:
    """The images in a text post that Reddit has, as originals."""
    for address in read_page(content, _SITE).images:
        url = web_url(address)
        found = resolve_direct(url) if url is not None and is_on(url, "redd.it") else None
        if isinstance(found, Images):
            yield from found.images


def _content(entry: Mapping[str, Any]) -> str:
    return next((word(members(item).get("value")) for item in elements(entry.get("content"))), "")


def _links(content: str) -> dict[str, str]:
    """Addresses by the text of their links; the last of a text counts, since the author's own text comes before."""
    links: dict[str, str] = {}
    address = ""
    for token in read_tags(content):
        if isinstance(token, Tag):
            address = token.attributes.get("href", "") if token.name == "a" else ""
        elif address:
            links[token.strip()] = address
    return links
