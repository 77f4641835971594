"""The images that a page's head names as its own."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from services.crawler.fetch.url import BadUrl, WebUrl
from services.crawler.resolvers.resolution import Unanswered
from services.crawler.sources.html_tags import Tag, read_tags
from services.crawler.sources.page_rules import PageRules

_META = frozenset(
    {"og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src"}
)
DECLARED_MAX = 100


def declared_images(html: str, page: WebUrl) -> list[WebUrl]:
    """The addresses in `og:image`, `twitter:image` and `<link rel=image_src>`, in the page's order, each once.

    At most the first 100 are read.

    Raises:
        Unanswered: The page opts out.
    """
    rules = PageRules()
    references: list[str] = []
    for token in read_tags(html):
        if isinstance(token, Tag):
            rules.read_tag(token)
        reference = declared_reference(token)
        if reference and len(references) < DECLARED_MAX:
            references.append(reference)
    if rules.opt_out:
        raise Unanswered(page, rules.cause)
    return declared_urls(references, page)


def declared_urls(references: Iterable[str], page: WebUrl) -> list[WebUrl]:
    """The addresses of the first 100 references, each once, without those that are none."""
    urls: dict[str, WebUrl] = {}
    for reference in islice(references, DECLARED_MAX):
        try:
            url = page.join(reference)
        except BadUrl:
            continue
        urls.setdefault(url.text, url)
    return list(urls.values())


def declared_reference(token: Tag | str) -> str:
    """What a tag names as an image of its page; empty for all others, and text."""
    if not isinstance(token, Tag) or token.name not in ("meta", "link"):
        return ""
    attributes = token.attributes
    if token.name == "meta":
        name = attributes.get("property") or attributes.get("name") or ""
        reference = attributes.get("content", "") if name.strip().lower() in _META else ""
    else:
        is_image = "image_src" in attributes.get("rel", "").lower().split()
        reference = attributes.get("href", "") if is_image else ""
    return reference if reference.strip() else ""
