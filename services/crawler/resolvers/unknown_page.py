"""A page that no resolver knows: what its head names, then what it shows."""

from __future__ import annotations

from collections.abc import Iterator

from services.crawler.fetch.url import WebUrl, parse_url
from services.crawler.resolvers.declared_images import (
    DECLARED_MAX,
    declared_reference,
    declared_urls,
)
from services.crawler.resolvers.resolution import Answer, Images, ImageUrl, Unanswered
from services.crawler.sources.html_tags import Tag, read_tags
from services.crawler.sources.page_images import image_title, read_tokens

# Behind the image that it was linked for, a page shows many that are none of it.
SHOWN_MAX = 20

_HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})


def read_unknown_page(answer: Answer) -> Images:
    """The images of a page: those that its head names, then the first 20 that it shows, the widest of each `srcset`.

    An answer that is an image is its only one.

    Raises:
        Unanswered: It is neither a page nor an image, or a page without images or that opts out.
    """
    if answer.content_type.startswith("image/"):
        return Images((ImageUrl(answer.url, image_title(answer.url)),))
    if answer.content_type not in _HTML_TYPES:
        raise Unanswered(answer.url, f"it is {answer.content_type[:100]}, no HTML page")
    references: list[str] = []
    content = read_tokens(_noting(references, read_tags(answer.text)), answer.url)
    if content.opt_out:
        raise Unanswered(answer.url, content.opt_out)
    images = Images.of(_images(declared_urls(references, answer.url), content.images))
    if not images.images:
        raise Unanswered(answer.url, "the page has no images")
    return images


def _images(declared_in_order: list[WebUrl], titles: dict[str, str]) -> Iterator[ImageUrl | None]:
    declared = {url.text: url for url in declared_in_order}
    for text, url in declared.items():
        yield ImageUrl(url, titles.get(text, ""))
    shown = [text for text in titles if text not in declared]
    for text in shown[:SHOWN_MAX]:
        yield ImageUrl(parse_url(text), titles[text])


def _noting(references: list[str], tokens: Iterator[Tag | str]) -> Iterator[Tag | str]:
    """The same tokens; notes on the way what the page's head names. Reading a page twice takes twice as long."""
    for token in tokens:
        reference = declared_reference(token)
        if reference and len(references) < DECLARED_MAX:
            references.append(reference)
        yield token
