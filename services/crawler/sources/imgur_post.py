"""From what Imgur says of an image or an album to a post."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.crawler.fetch.url import parse_url
from services.crawler.post import Post, PostFlags
from services.crawler.resolvers.imgur import imgur_image, resolve_imgur
from services.crawler.resolvers.reading import elements, members, word
from services.crawler.resolvers.resolution import NOTHING, Images, Resolution
from services.crawler.sources.text import clean_text

_ID = re.compile(r"[A-Za-z0-9]{5}|[A-Za-z0-9]{7}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LAST_TIME = 32_503_680_000
_FACTS = ("account_url", "section", "topic", "views", "points", "images_count", "in_most_viral")


def read_item(item: Mapping[str, Any], *, community: str = "") -> Post | None:
    """A post of one image or album; None if it has no id.

    Args:
        item: A gallery image, a gallery album or an album (https://api.imgur.com/models/gallery_album).
        community: Where it was found, as a source; empty for its uploader's submissions.
    """
    item_id = word(item.get("id"))
    if not _ID.fullmatch(item_id):
        return None
    is_album = item.get("is_album") is True or "images" in item
    images = list(map(members, elements(item.get("images")))) if is_album else [dict(item)]
    account = clean_text(item.get("account_url"))
    is_video = bool(images) and all(word(one.get("type")).startswith("video/") for one in images)
    page_url = f"https://imgur.com/{'a/' if is_album else ''}{item_id}"
    return Post(
        images=NOTHING if is_video else _images(item, images, page_url),
        post_id=item_id,
        time=_time(item.get("datetime")),
        title=clean_text(item.get("title")),
        author=account,
        page_url=page_url,
        community=community or user_uri(account),
        flags=PostFlags(
            over_18=any(one.get("nsfw") is True for one in (item, *images)), is_video=is_video
        ),
        facts=_facts(item),
    )


def user_uri(name: str) -> str:
    """The source that lists what somebody submitted; empty for nobody, or a name that is none."""
    return f"imgur:user/{name.lower()}" if _NAME.fullmatch(name) else ""


def _images(item: Mapping[str, Any], images: list[dict[str, Any]], page_url: str) -> Resolution:
    """A list shows an album's first images only: the others are asked for."""
    count = item.get("images_count")
    if isinstance(count, int) and not isinstance(count, bool) and count > len(images):
        return resolve_imgur(parse_url(page_url)) or NOTHING
    return Images.of(map(imgur_image, images))


def _facts(item: Mapping[str, Any]) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name in _FACTS:
        value = item.get(name)
        if isinstance(value, str | int) and value != "":
            facts[name] = clean_text(value) if isinstance(value, str) else value
    tags = [clean_text(members(tag).get("name")) for tag in elements(item.get("tags"))[:30]]
    return facts | ({"tags": tags} if any(tags) else {})


def _time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return float(value) if 0 < value < _LAST_TIME else None
