"""A source whose addresses of pages become the addresses of their images."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import structlog

from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.registry import resolve
from services.crawler.resolvers.resolution import Answer, Ask, AskKind, ImageUrl, Unanswered
from services.crawler.sources.page import FetchPage
from services.crawler.sources.source import Source

_NO_KEY = "this needs a key, and none is configured"


class ResolvedSource:
    """Lists what another source lists; a page of a host that is known (imgur, Flickr, Reddit) as the images behind it.

    What cannot be resolved is listed as it is: its outcome then says what it was.
    """

    def __init__(self, source: Source, fetch_page: FetchPage) -> None:
        """Takes the source, and what fetches an HTML page through the guarded fetcher."""
        self._source = source
        self._fetch_page = fetch_page
        self._log = structlog.get_logger()

    @property
    def uri(self) -> str:
        """The other source's."""
        return self._source.uri

    @property
    def skipped_count(self) -> int:
        """The other source's."""
        return self._source.skipped_count

    async def list_images(self) -> AsyncGenerator[Listing, None]:
        """Lists the images, in the other source's order; pages are asked for in between.

        Raises:
            SourceFailed: As the other source's listing.
        """
        async for listing in self._source.list_images():
            for resolved in await self._resolve(listing):
                yield resolved

    async def _resolve(self, listing: Listing) -> list[Listing]:
        try:
            url = parse_url(listing.url)
        except BadUrl:
            return [listing]
        resolution = resolve(url)
        if resolution is None:
            return [listing]
        try:
            found = await follow(resolution, self._ask)
        except FetchFailed as failure:
            self._log.warning("page_not_resolved", url=url.text, cause=str(failure))
            return [listing]
        if not found.is_best:
            self._log.warning("page_not_wholly_resolved", url=url.text, causes=found.causes)
        return [_listing_of(image, listing, url) for image in found.images] or [listing]

    async def _ask(self, question: Ask) -> Answer:
        if question.kind is not AskKind.PAGE:
            raise Unanswered(question.url, _NO_KEY)
        try:
            page = await self._fetch_page(question.url.text)
        except FetchFailed as failure:
            if failure.retryable:
                raise
            raise Unanswered(question.url, str(failure)) from failure
        return Answer(parse_url(page.final_url), page.html, page.content_type)


def _listing_of(image: ImageUrl, listing: Listing, page: WebUrl) -> Listing:
    if image.url == page:
        return listing
    return Listing(
        source=listing.source,
        url=image.url.text,
        title=image.title or listing.title,
        page_url=page.text,
        author=listing.author,
    )
