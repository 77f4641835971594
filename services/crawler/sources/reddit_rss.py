"""Reddit's feeds: the newest posts of communities and people, without an application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import urlencode

from services.crawler.fetch.document import Document, DocumentRequest
from services.crawler.outcome import FetchFailed, StatusFailed
from services.crawler.sources.failures import source_failure
from services.crawler.sources.feed_document import FEED_ACCEPT, FEED_MAX_BYTES, NoFeed, read_feed
from services.crawler.sources.kind import SourceKind, SourceTools, web_obstacle
from services.crawler.sources.newest_first import PostPage, list_newest_first
from services.crawler.sources.options import split_options
from services.crawler.sources.reddit_entry import read_reddit_entry
from services.crawler.sources.reddit_place import RedditPlace, read_place
from services.crawler.sources.source import BadSource, Batch, SourceFailed

_SITE = "https://www.reddit.com"
_PAGE_POSTS = 100
# A page that is shorter than Reddit's own default is the last.
_LAST_PAGE_POSTS = 25
_PAGES_MAX = 10
# Since June 2026 Reddit answers about one request a minute without a token, whatever is asked for.
_GAP_S, _POLL_S = 61.0, 90.0
# How many it answers with a token is not documented.
_TOKEN_GAP_S, _TOKEN_POLL_S = 10.0, 30.0


class RedditFeedSource:
    """Lists the newest posts of a place from the top down to where the last look was, about 1,000 at most."""

    def __init__(
        self, place: RedditPlace, tools: SourceTools, *, gap_s: float | None = None
    ) -> None:
        """Takes communities or a person; `gap_s` is the least time between two requests, of all sources together."""
        self._place = place
        self._tools = tools
        keys = tools.credentials
        self._has_token = bool(keys.reddit_feed_user and keys.reddit_feed_token)
        own_gap_s = _TOKEN_GAP_S if self._has_token else _GAP_S
        self._gap_s = own_gap_s if gap_s is None else gap_s

    @property
    def uri(self) -> str:
        """`reddit-rss:` and the place in small letters."""
        return f"reddit-rss:{self._place.text}"

    @property
    def poll_s(self) -> float:
        """90 s; 30 s with the token of a person's feeds."""
        return _TOKEN_POLL_S if self._has_token else _POLL_S

    def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists pages of 100 posts, the next a minute later if the last look's posts have not come by then.

        Raises:
            SourceFailed: Reddit does not answer, or has no such place.
            SourceBlocked: Reddit refuses, or had too many requests.
        """
        return list_newest_first(self._fetch, cursor, uri=self.uri, max_pages=_PAGES_MAX)

    async def _fetch(self, after: str) -> PostPage:
        try:
            document = await self._tools.fetch_document(self._request(after))
        except FetchFailed as failure:
            if isinstance(failure, StatusFailed) and failure.status == 404:
                cause = "Reddit has no such place, or has banned it (HTTP 404)"
                raise SourceFailed(self.uri, cause) from failure
            raise source_failure(self.uri, failure) from failure
        try:
            return await asyncio.to_thread(_read_page, document)
        except NoFeed as error:
            raise SourceFailed(self.uri, str(error)) from error

    def _request(self, after: str) -> DocumentRequest:
        keys = self._tools.credentials
        query = {"limit": str(_PAGE_POSTS)} | ({"after": after} if after else {})
        order = "/new" if self._place.kind == "r" else ""
        secret = {"feed": keys.reddit_feed_token, "user": keys.reddit_feed_user}
        return DocumentRequest(
            f"{self._tools.api_base(_SITE)}/{self._place.path}{order}/.rss?{urlencode(query)}",
            accept=FEED_ACCEPT,
            max_bytes=FEED_MAX_BYTES,
            secret_query=urlencode(secret) if self._has_token else "",
            gap_s=self._gap_s,
        )


def _read_page(document: Document) -> PostPage:
    entries = read_feed(document).entries
    posts = tuple(post for entry in entries if (post := read_reddit_entry(entry)) is not None)
    is_last = len(entries) < _LAST_PAGE_POSTS or not posts
    after = "" if is_last else f"t3_{posts[-1].post_id}"
    return PostPage(posts, after, len(entries) - len(posts))


def _parse(source: str, rest: str, tools: SourceTools) -> RedditFeedSource:
    name, _ = split_options(source, rest, {})
    place = read_place(source, name)
    if place.kind == "m":
        raise BadSource(source, "lists of communities have no feed; name the communities: r/A+B")
    return RedditFeedSource(place, tools)


REDDIT_RSS = SourceKind(
    word="reddit-rss",
    forms=("reddit-rss:r/NAME", "reddit-rss:r/A+B", "reddit-rss:u/NAME"),
    summary="The newest posts of Reddit's communities and people through their feeds, at about one request a minute.",
    example="reddit-rss:r/EarthPorn",
    parse=_parse,
    obstacle=web_obstacle,
)
