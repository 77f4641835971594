"""Finds the resolver of an address."""

from __future__ import annotations

from services.crawler.fetch.url import WebUrl
from services.crawler.post import Post
from services.crawler.resolvers.direct import resolve_direct
from services.crawler.resolvers.flickr import resolve_flickr
from services.crawler.resolvers.imgur import resolve_imgur
from services.crawler.resolvers.reddit_page import resolve_reddit_page
from services.crawler.resolvers.reddit_post import read_post
from services.crawler.resolvers.resolution import (
    NOT_KNOWN,
    Answer,
    Ask,
    AskKind,
    Images,
    Resolution,
)
from services.crawler.resolvers.unknown_page import read_unknown_page


def resolve(url: WebUrl) -> Resolution | None:
    """The best images behind an address; None if no resolver knows it, and what it is shows when it is asked for."""
    return (
        resolve_imgur(url)
        or resolve_flickr(url)
        or resolve_reddit_page(url, resolve_or_ask)
        or resolve_direct(url)
    )


def resolve_or_ask(url: WebUrl) -> Resolution:
    """As `resolve`, but an address that no resolver knows is a page to ask for."""
    return resolve(url) or Ask(url, AskKind.PAGE, read_linked, fallback=NOT_KNOWN)


def resolve_post(post: object, *, is_removed: bool = False) -> Post:
    """A post of Reddit (the `data` of a `t3`, as the API, its feeds' JSON and archives give it).

    Args:
        post: The post.
        is_removed: Whether it is known to be removed, although it may not say so itself.

    Raises:
        BadPost: It is no post.
    """
    return read_post(post, resolve_or_ask, is_removed=is_removed)


def read_linked(answer: Answer) -> Resolution:
    """What came back for an address that no resolver knew: an image, a page, or where a redirect has led to.

    Raises:
        Unanswered: It has no images.
    """
    if answer.content_type.startswith("image/"):
        return read_unknown_page(answer)
    known = resolve(answer.url)
    # An address that ends in `.jpg` and answers with a page would lead to itself.
    is_itself = isinstance(known, Images) and any(image.url == answer.url for image in known.images)
    return read_unknown_page(answer) if known is None or is_itself else known
