"""A site's map: the images of the pages that it lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

import structlog

from services.crawler.fetch.document import DocumentRequest
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.outcome import FetchFailed
from services.crawler.post import Post
from services.crawler.resolvers.reading import is_on
from services.crawler.resolvers.registry import resolve_or_ask
from services.crawler.resolvers.resolution import Images, ImageUrl
from services.crawler.sources.failures import source_failure
from services.crawler.sources.kind import FetchDocument, SourceKind, SourceTools, web_obstacle
from services.crawler.sources.sitemap_document import (
    MAP_MAX_BYTES,
    BadMap,
    MapEntry,
    SiteMap,
    read_map,
)
from services.crawler.sources.sitemap_look import SitemapLook
from services.crawler.sources.source import BadSource, Batch, SourceFailed
from services.crawler.sources.text import clean_text

_ACCEPT = "application/xml,text/xml,application/gzip;q=0.9,*/*;q=0.1"
# The protocol lets an index have maps only; some sites nest once more.
_DEPTH_MAX = 3
_MAPS_MAX = 1_000
_BATCH_POSTS = 100


class SitemapSource:
    """Lists the pages of a site's map, newest first; later looks list those that are new or changed.

    Of an index, the map that changed last comes first. Pages and maps of other sites are counted and left out.
    """

    poll_s = 3_600.0

    def __init__(self, url: WebUrl, fetch_document: FetchDocument) -> None:
        """Takes the address of a map or of an index of maps."""
        self._url = url
        self._fetch_document = fetch_document
        self._log = structlog.get_logger().bind(source=self.uri)

    @property
    def uri(self) -> str:
        """`sitemap:` and the canonical URL."""
        return f"sitemap:{self._url.text}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists one map after the other, 100 pages at a time; a look that breaks off goes on behind its last whole map.

        Raises:
            SourceFailed: The map cannot be fetched or read; of an index, one of its maps cannot be fetched for now.
                Those that are gone or cannot be read are logged and left out.
            SourceBlocked: The host's robots.txt forbids it, or the host refuses.
        """
        look = SitemapLook.read(cursor)
        waiting = [(self._url, 1)]
        visited: set[str] = set()
        while waiting and len(visited) < _MAPS_MAX:
            url, depth = waiting.pop()
            if url.text in visited:
                continue
            visited.add(url.text)
            site_map = await self._load(url, is_first=depth == 1)
            children = self._children(site_map, url, look) if depth < _DEPTH_MAX else []
            waiting += [(child, depth + 1) for child in children]
            pages = await asyncio.to_thread(look.take, site_map.pages)
            for start in range(0, len(pages), _BATCH_POSTS):
                part = pages[start : start + _BATCH_POSTS]
                yield await asyncio.to_thread(self._batch, part, url)
            look.done.add(url.text)
            yield Batch((), look.text)
        if waiting:
            self._log.warning("maps_left_out", maps=len(waiting), listed=len(visited))
        look.end()
        yield Batch((), look.text)

    async def _load(self, url: WebUrl, *, is_first: bool) -> SiteMap:
        request = DocumentRequest(url.text, accept=_ACCEPT, max_bytes=MAP_MAX_BYTES, is_api=False)
        try:
            document = await self._fetch_document(request)
            # The largest map is three seconds of work (measured).
            site_map = await asyncio.to_thread(read_map, document.body)
        except FetchFailed as failure:
            if is_first or failure.retryable:
                raise source_failure(self.uri, failure) from failure
            return self._nothing(url, str(failure))
        except BadMap as error:
            if is_first:
                raise SourceFailed(self.uri, str(error)) from error
            return self._nothing(url, error.cause)
        if site_map.cut_off:
            self._log.warning("map_cut_off", url=url.text)
        return site_map

    def _nothing(self, url: WebUrl, cause: str) -> SiteMap:
        self._log.warning("map_left_out", url=url.text, cause=cause)
        return SiteMap([], [])

    def _children(self, index: SiteMap, base: WebUrl, look: SitemapLook) -> list[WebUrl]:
        """The maps of an index that are to be asked for; the one that changed last is at the end."""
        due = [entry for entry in index.maps if look.is_due(entry)]
        due.sort(key=lambda entry: entry.change_time or 0.0)
        urls = (self._own(entry.address, base) for entry in due)
        return [url for url in urls if url is not None and url.text not in look.done]

    def _batch(self, entries: list[MapEntry], base: WebUrl) -> Batch:
        posts: list[Post] = []
        skipped_count = 0
        for entry in entries:
            page = self._own(entry.address, base)
            if page is None:
                skipped_count += 1
            else:
                posts += _posts(entry, page)
        return Batch(tuple(posts), skipped_count=skipped_count)

    def _own(self, address: str, base: WebUrl) -> WebUrl | None:
        """A page or map of the same site: of the same host or below it, `www.` aside."""
        url = _join(base, address)
        return url if url is not None and is_on(url, self._url.host.removeprefix("www.")) else None


def _posts(entry: MapEntry, page: WebUrl) -> Iterator[Post]:
    """The page, once for each licence of its images; without images one to ask for them."""
    by_licence: dict[str, list[ImageUrl]] = {}
    for image in entry.images:
        url = _join(page, image.get("loc", ""))
        if url is not None:
            title = clean_text(image.get("title") or image.get("caption"))
            licence = clean_text(image.get("license"))
            by_licence.setdefault(licence, []).append(ImageUrl(url, title))
    facts = {"lastmod": entry.change_text} if entry.change_text else {}
    for licence, images in by_licence.items():
        yield Post(
            images=Images.of(images),
            post_id=page.text,
            page_url=page.text,
            licence=licence,
            facts=facts,
        )
    if not by_licence:
        yield Post(images=resolve_or_ask(page), post_id=page.text, page_url=page.text, facts=facts)


def _join(base: WebUrl, reference: str) -> WebUrl | None:
    try:
        return base.join(reference) if reference else None
    except BadUrl:
        return None


def _parse(source: str, url: str, tools: SourceTools) -> SitemapSource:
    try:
        return SitemapSource(parse_url(url.strip()), tools.fetch_document)
    except BadUrl as error:
        raise BadSource(source, error.cause) from error


SITEMAP = SourceKind(
    word="sitemap",
    forms=("sitemap:URL",),
    summary="The pages of a site's map or index of maps, packed or not: the images that it names, else the pages' own.",
    example="sitemap:https://example.org/sitemap.xml",
    parse=_parse,
    obstacle=web_obstacle,
)
