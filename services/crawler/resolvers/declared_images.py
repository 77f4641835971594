"""The images that a page's head names as its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from services.crawler.fetch.url import BadUrl, WebUrl
from services.crawler.sources.html_tags import Tag, read_tags

_META = frozenset(
    {"og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src"}
)
_DECLARED_MAX = 100


def declared_images(html: str, page: WebUrl) -> list[WebUrl]:
    """The addresses in `og:image`, `twitter:image` and `<link rel=image_src>`, in the page's order, each once.

    At most the first 100 are read.
    """
    urls: dict[str, WebUrl] = {}
    for reference in islice(_references(html), _DECLARED_MAX):
        try:
            url = page.join(reference)
        except BadUrl:
            continue
        urls.setdefault(url.text, url)
    return list(urls.values())


def _references(html: str) -> Iterator[str]:
    for tag in read_tags(html):
        if not isinstance(tag, Tag):
            continue
        attributes = tag.attributes
        if tag.name == "meta":
            name = attributes.get("property") or attributes.get("name") or ""
            reference = attributes.get("content", "") if name.strip().lower() in _META else ""
        elif tag.name == "link" and "image_src" in attributes.get("rel", "").lower().split():
            reference = attributes.get("href", "")
        else:
            continue
        if reference.strip():
            yield reference
