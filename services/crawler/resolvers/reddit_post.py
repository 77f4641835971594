"""A post of Reddit: what it says of itself, and where its images are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services.crawler.fetch.url import WebUrl
from services.crawler.post import Post, PostFlags
from services.crawler.resolvers.reading import elements, is_on, second_of, segments, web_url, word
from services.crawler.resolvers.reddit_media import (
    is_gallery,
    read_gallery,
    read_inline_media,
    read_previews,
)
from services.crawler.resolvers.resolution import NOTHING, Images, Resolution, or_else
from services.crawler.sources.text import clean_text
from services.servicekit.errors import InvalidInput

ResolveLink = Callable[[WebUrl], Resolution]

_CHAIN_MAX = 64
_ID_CHARACTERS = 16


class BadPost(InvalidInput):
    """Something that is no post, or whose crossposts cannot be followed to their end.

    Attributes:
        cause: What is wrong with it.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"this is no post of Reddit: {cause}")
        self.cause = cause


# What nomad kept of a post beside its images; absent ones are left out.
_FACTS = (
    *("selftext", "title", "media_metadata", "id", "author", "permalink", "url", "created_utc"),
    *("subreddit", "over_18", "is_video", "removed_by_category", "crosspost_parent_list"),
)
_SITE = "https://www.reddit.com"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
# What stands instead of the name of an author who is gone.
_NO_AUTHORS = frozenset({"[deleted]", "[removed]"})


def read_post(post: object, resolve_link: ResolveLink, *, is_removed: bool = False) -> Post:
    """Reads a post (the `data` of a `t3`), with the parents of a crosspost at any depth.

    Of the post and then its parents, the first that has images counts. A gallery's `url` is never used, that of a text
    post neither. Reddit's own previews are what is left if there is nothing else. Posts that are removed, by what they
    say or as `is_removed` says, have no images, and videos neither.

    Raises:
        BadPost: It is no JSON object, or has over 63 parents: flags that were not seen would not count.
    """
    chain = _chain(post)
    first = chain[0]
    flags = _flags(chain, is_removed=is_removed)
    facts = {name: first[name] for name in _FACTS if name in first}
    parents = dict.fromkeys(filter(None, map(_community, chain[1:])))
    author = clean_text(first.get("author"))
    return Post(
        images=NOTHING if flags.is_removed or flags.is_video else _images(chain, resolve_link),
        post_id=word(first.get("id"))[:_ID_CHARACTERS],
        time=second_of(first.get("created_utc")),
        title=clean_text(first.get("title")),
        author="" if author in _NO_AUTHORS else author,
        page_url=_page_url(first),
        flair=clean_text(first.get("link_flair_text")),
        community=_community(first),
        parents=tuple(parents),
        flags=flags,
        facts=facts,
    )


def _images(chain: list[dict[str, Any]], resolve_link: ResolveLink) -> Resolution:
    contents = _contents(chain, resolve_link)
    found = next((content for content in contents if content != NOTHING), NOTHING)
    if isinstance(found, Images) and found.images:
        return found
    all_previews = (read_previews(member) for member in chain)
    previews = next((images for images in all_previews if images.images), NOTHING)
    return or_else(found, previews)


def _community(post: Mapping[str, Any]) -> str:
    """`reddit:r/EarthPorn`, or `reddit:u/NAME` for what people post under their own names."""
    name = word(post.get("subreddit"))
    user = name.removeprefix("u_")
    if not _NAME.fullmatch(user):
        return ""
    return f"reddit:r/{name}" if user == name else f"reddit:u/{user}"


def _page_url(post: Mapping[str, Any]) -> str:
    permalink = word(post.get("permalink"))
    url = web_url(f"{_SITE}{permalink}") if permalink.startswith("/") else None
    return url.text if url is not None and url.host == "www.reddit.com" else ""


def reddit_post_id(url: WebUrl) -> str:
    """The id of the post that an address of Reddit's leads to; empty if it leads to none."""
    if url.host in ("redd.it", "www.redd.it"):
        parts = segments(url)
        return _post_id(parts[0]) if len(parts) == 1 else ""
    if not is_on(url, "reddit.com"):
        return ""
    match segments(url):
        case ["gallery" | "comments", name, *_]:
            return _post_id(name)
        case ["r" | "u" | "user", _, "comments", name, *_]:
            return _post_id(name)
    return ""


def _post_id(name: str) -> str:
    lowered = name.lower()
    return lowered if lowered.isascii() and lowered.isalnum() and len(lowered) <= 16 else ""


def _chain(post: object) -> list[dict[str, Any]]:
    """The post and its parents, parents of parents after them, each object once."""
    if not isinstance(post, dict):
        raise BadPost("it is no JSON object")
    chain = [post]
    seen = {id(post)}
    for member in chain:
        for parent in elements(member.get("crosspost_parent_list")):
            if not isinstance(parent, dict) or id(parent) in seen:
                continue
            if len(chain) == _CHAIN_MAX:
                raise BadPost(f"it has over {_CHAIN_MAX - 1} parents")
            seen.add(id(parent))
            chain.append(parent)
    return chain


def _flags(chain: list[dict[str, Any]], *, is_removed: bool) -> PostFlags:
    def is_any(name: str) -> bool:
        return any([member.get(name) for member in chain])  # noqa: C419 - twice as fast (measured)

    return PostFlags(
        over_18=is_any("over_18"),
        is_video=is_any("is_video"),
        is_removed=is_removed or is_any("removed_by_category"),
        is_spoiler=is_any("spoiler"),
    )


def _contents(chain: list[dict[str, Any]], resolve_link: ResolveLink) -> Iterator[Resolution]:
    ids = {word(member.get("id")).lower() for member in chain}
    for member in chain:
        if is_gallery(member):
            yield read_gallery(member)
            continue
        inline = read_inline_media(member)
        url = _link(member, ids)
        yield inline if url is None else or_else(resolve_link(url), inline)


def _link(post: Mapping[str, Any], ids: set[str]) -> WebUrl | None:
    """What a post links to; None if that is itself, as of text posts, or a post that it is a crosspost of."""
    if post.get("is_self") is True:
        return None
    url = web_url(post.get("url_overridden_by_dest")) or web_url(post.get("url"))
    post_id = "" if url is None else reddit_post_id(url)
    return None if post_id and post_id in ids else url
