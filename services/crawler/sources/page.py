"""`page:https://…`: the images of an HTML page or directory listing, its links followed one level."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

import structlog
from selectolax.lexbor import LexborHTMLParser

from services.crawler.fetch.fetcher import Page
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed
from services.crawler.sources.source import SourceFailed

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"})
_PAGES_MAX = 200
_IMAGES_MAX = 10_000

FetchPage = Callable[[str], Awaitable[Page]]


@dataclass(frozen=True, slots=True)
class _PageContent:
    images: list[tuple[WebUrl, str]]
    links: list[WebUrl]


class PageSource:
    """Lists what `img` (the widest of `srcset`), `og:image` and links to image files show.

    Links to other pages of the same scheme, host and port are followed one level, at most 200; one that cannot be
    fetched is logged and left out.
    """

    def __init__(self, url: WebUrl, fetch_page: FetchPage) -> None:
        self.uri = f"page:{url.text}"
        self._url = url
        self._fetch_page = fetch_page

    async def list_images(self) -> AsyncGenerator[Listing]:
        """Yields the images of the page, then those of the pages that it links to, each once.

        Raises:
            SourceFailed: The first page cannot be fetched.
        """
        seen: set[str] = set()
        try:
            first_url, first = await self._load(self._url)
        except FetchFailed as failure:
            raise SourceFailed(self.uri, str(failure)) from failure
        for listing in self._listings(first_url, first, seen):
            yield listing
        pages = {self._url.text, first_url.text}
        for link in first.links:
            if link.text in pages or len(pages) > _PAGES_MAX:
                continue
            pages.add(link.text)
            try:
                page_url, content = await self._load(link)
            except FetchFailed as failure:
                structlog.get_logger().warning(
                    "page_left_out", source=self.uri, url=link.text, cause=str(failure)
                )
                continue
            for listing in self._listings(page_url, content, seen):
                yield listing

    async def _load(self, url: WebUrl) -> tuple[WebUrl, _PageContent]:
        page = await self._fetch_page(url.text)
        final = parse_url(page.final_url)
        return final, _parse(page.html, final)

    def _listings(self, page: WebUrl, content: _PageContent, seen: set[str]) -> Iterator[Listing]:
        for url, title in content.images:
            if url.text not in seen and len(seen) < _IMAGES_MAX:
                seen.add(url.text)
                yield Listing(self.uri, url.text, title[:500], page.text)


def _parse(html: str, page: WebUrl) -> _PageContent:
    tree = LexborHTMLParser(html)
    base = page
    base_node = tree.css_first("base[href]")
    if base_node is not None:
        base = _join(page, base_node.attributes.get("href")) or page
    images: list[tuple[WebUrl, str]] = []
    links: list[WebUrl] = []
    for node in tree.css("meta[property='og:image'], img, source, a[href]"):
        attributes = node.attributes
        if node.tag == "meta":
            references = [attributes.get("content")]
        elif node.tag == "a":
            references = [attributes.get("href")]
        else:
            references = [_widest(attributes.get("srcset") or "") or attributes.get("src")]
        url = _join(base, references[0])
        if url is None:
            continue
        if node.tag != "a":
            images.append((url, attributes.get("alt") or attributes.get("title") or ""))
        elif PurePosixPath(unquote(url.path)).suffix.lower() in _SUFFIXES:
            images.append((url, attributes.get("title") or _link_title(node.text(strip=True), url)))
        elif url.origin == base.origin and url.origin == page.origin:
            links.append(url)
    return _PageContent(images, links)


def _link_title(text: str, url: WebUrl) -> str:
    name = PurePosixPath(unquote(url.path)).name
    # A directory listing's link text is the file's name, often cut off: no title.
    return "" if not text or name.startswith(text.rstrip(".>…")) else text


def _widest(srcset: str) -> str:
    """The reference with the largest width or density (WHATWG HTML, `srcset`); empty if there is none."""
    best, best_size = "", -1.0
    for candidate in srcset.split(", "):
        reference, _, descriptor = candidate.strip().rstrip(",").partition(" ")
        try:
            size = float(descriptor.strip()[:-1]) if descriptor.strip() else 1.0
        except ValueError:
            continue
        if reference and size > best_size:
            best, best_size = reference, size
    return best


def _join(base: WebUrl, reference: str | None) -> WebUrl | None:
    try:
        return base.join(reference.strip()) if reference and reference.strip() else None
    except BadUrl:
        return None
