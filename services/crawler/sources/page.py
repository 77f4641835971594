"""A web page or directory listing, and the pages that it links to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

import structlog

from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.post import Post
from services.crawler.sources.failures import source_failure
from services.crawler.sources.kind import FetchPage, SourceKind, SourceTools, web_obstacle
from services.crawler.sources.page_images import PageContent, image_title, read_page
from services.crawler.sources.source import BadSource, Batch, SourceFailed

# What is remembered, so that nothing is listed twice, has a bound.
_IMAGES_MAX = 100_000


class PageSource:
    """Lists the images of a page, then those of the pages that it links to: one level, of the same origin.

    Links that lead further up, to the same listing in another order, or to files that are no pages are not followed,
    nor those of a page whose `<meta>` says nofollow. A page whose `<meta>` opts out lists nothing.
    """

    poll_s = 300.0

    def __init__(self, url: WebUrl, fetch_page: FetchPage, *, max_pages: int = 200) -> None:
        """Takes the page's URL; of the pages that it links to, at most `max_pages` are asked for."""
        self._url = url
        self._fetch_page = fetch_page
        self._max_pages = max_pages
        self._log = structlog.get_logger()

    @property
    def uri(self) -> str:
        """`page:` and the canonical URL."""
        return f"page:{self._url.text}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:  # noqa: ARG002 - a page has no order in time
        """Lists each image once, a page at a time; a linked page is asked for when the images before it are recorded.

        Raises:
            SourceFailed: The first page cannot be fetched, or is neither a page nor an image. Linked pages that cannot
                be fetched or opt out are logged and left out.
            SourceBlocked: The first page opts out, or its host does not let us.
        """
        listed: set[str] = set()
        try:
            url, content = await self._load(self._url)
        except FetchFailed as failure:
            raise source_failure(self.uri, failure) from failure
        yield Batch(tuple(self._new_posts(url, content, listed)))
        for link in self._links(url, content):
            linked = await self._load_linked(link)
            if linked:
                yield Batch(tuple(self._new_posts(*linked, listed)))

    def _links(self, url: WebUrl, content: PageContent) -> list[WebUrl]:
        links = [link for link in content.links if link.text not in (self._url.text, url.text)]
        if len(links) > self._max_pages:
            self._log.warning(
                "links_left_out", source=self.uri, links=len(links), followed=self._max_pages
            )
        return links[: self._max_pages]

    async def _load_linked(self, link: WebUrl) -> tuple[WebUrl, PageContent] | None:
        try:
            return await self._load(link)
        except (FetchFailed, SourceFailed) as failure:
            self._log.warning("page_left_out", source=self.uri, url=link.text, cause=str(failure))
            return None

    async def _load(self, url: WebUrl) -> tuple[WebUrl, PageContent]:
        page = await self._fetch_page(url.text)
        final_url = parse_url(page.final_url)
        if page.content_type.startswith("image/"):
            return final_url, PageContent({final_url.text: image_title(final_url)}, [])
        if not page.html and page.content_type not in ("", "text/html", "application/xhtml+xml"):
            raise SourceFailed(self.uri, f"{url.text} is {page.content_type[:100]}, no HTML page")
        content = await asyncio.to_thread(read_page, page.html, final_url)
        if content.opt_out:
            message = f"{final_url.text[:200]} is left alone: {content.opt_out}"
            raise FetchFailed(OutcomeReason.OPTED_OUT, message, final_url=final_url.text)
        if content.cut_off:
            self._log.warning("page_cut_off", source=self.uri, url=final_url.text)
        return final_url, content

    def _new_posts(self, page: WebUrl, content: PageContent, listed: set[str]) -> Iterator[Post]:
        for url, title in content.images.items():
            if url in listed:
                continue
            if len(listed) == _IMAGES_MAX:
                self._log.warning("images_left_out", source=self.uri, listed=_IMAGES_MAX)
                return
            listed.add(url)
            yield Post(url, title=title, page_url=page.text)


def _parse(source: str, url: str, tools: SourceTools) -> PageSource:
    try:
        return PageSource(parse_url(url.strip()), tools.fetch_page)
    except BadUrl as error:
        raise BadSource(source, error.cause) from error


PAGE = SourceKind(
    word="page",
    forms=("page:URL", "URL"),
    summary="The images of a web page or directory listing, and of the pages that it links to, one level.",
    example="page:https://example.org/gallery/",
    parse=_parse,
    obstacle=web_obstacle,
)
