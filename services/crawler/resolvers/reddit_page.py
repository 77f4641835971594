"""Reddit's pages: posts, galleries, short links, and the viewer of single images."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qsl, urlsplit

from services.crawler.fetch.url import WebUrl, parse_url
from services.crawler.resolvers.direct import resolve_direct
from services.crawler.resolvers.reading import elements, is_on, members, read_json, web_url, word
from services.crawler.resolvers.reddit_post import BadPost, ResolveLink, read_post, reddit_post_id
from services.crawler.resolvers.resolution import (
    NOT_KNOWN,
    NOTHING,
    Answer,
    Ask,
    AskKind,
    Resolution,
    Unanswered,
)

_API = "https://oauth.reddit.com/api/info?raw_json=1&id=t3_"
_FIELDS_MAX = 100


def resolve_reddit_page(url: WebUrl, resolve_link: ResolveLink) -> Resolution | None:
    """The images of a post by its address, which only the API can tell; None for every other page or host.

    Posts whose flags make them unwanted have none.
    """
    post_id = reddit_post_id(url)
    if post_id:
        read = partial(_read_info, post_id, resolve_link)
        return Ask(parse_url(_API + post_id), AskKind.REDDIT_API, read, fallback=NOT_KNOWN)
    if is_on(url, "reddit.com") and url.path == "/media":
        return _viewed(url)
    return None


def _viewed(url: WebUrl) -> Resolution | None:
    """`/media?url=…` shows one of Reddit's own images."""
    try:
        query = parse_qsl(urlsplit(url.text).query, max_num_fields=_FIELDS_MAX)
    except ValueError:
        return None
    image = web_url(dict(query).get("url"))
    return resolve_direct(image) if image and is_on(image, "redd.it") else None


def _read_info(post_id: str, resolve_link: ResolveLink, answer: Answer) -> Resolution:
    listing = members(members(read_json(answer)).get("data"))
    posts = [members(child).get("data") for child in elements(listing.get("children"))[:1]]
    if not posts or word(members(posts[0]).get("id")).lower() != post_id:
        raise Unanswered(answer.url, "it does not have the post")
    try:
        post = read_post(posts[0], resolve_link)
    except BadPost as error:
        raise Unanswered(answer.url, error.cause) from error
    return NOTHING if post.flags.over_18 or post.images is None else post.images
