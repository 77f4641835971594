"""An RSS or Atom feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from services.crawler.fetch.document import Document, DocumentRequest
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.outcome import FetchFailed
from services.crawler.post import Post
from services.crawler.sources.failures import source_failure
from services.crawler.sources.feed_document import FEED_ACCEPT, FEED_MAX_BYTES, NoFeed, read_feed
from services.crawler.sources.feed_entry import read_entry
from services.crawler.sources.kind import FetchDocument, SourceKind, SourceTools, web_obstacle
from services.crawler.sources.seen_keys import SeenKeys
from services.crawler.sources.source import BadSource, Batch, SourceFailed

_BATCH_POSTS = 50


class FeedSource:
    """Lists the entries of a feed in its order; later looks list those that are new in it."""

    poll_s = 900.0

    def __init__(self, url: WebUrl, fetch_document: FetchDocument) -> None:
        """Takes the feed's address."""
        self._url = url
        self._fetch_document = fetch_document

    @property
    def uri(self) -> str:
        """`feed:` and the canonical URL."""
        return f"feed:{self._url.text}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists the entries that no earlier look has listed, 50 at a time.

        The cursor has digests of the last 5,000. If none of an earlier look's entries is left in the feed, the last
        batch states the gap.

        Raises:
            SourceFailed: It cannot be fetched, or is no feed.
            SourceBlocked: Its host's robots.txt forbids it, or the host refuses.
        """
        seen = SeenKeys.read(cursor)
        posts = await self._load()
        named = [post for post in posts if post.post_id]
        new = [post for post in named if post.post_id not in seen]
        gap = _gap(len(new)) if seen and new and len(new) == len(named) else ""
        for start in range(0, len(new), _BATCH_POSTS):
            part = new[start : start + _BATCH_POSTS]
            for post in part:
                seen.add(post.post_id)
            yield Batch(tuple(part), seen.text)
        # What is still there is not forgotten; most feeds have their newest first.
        for post in reversed(named):
            seen.add(post.post_id)
        yield Batch((), seen.text, len(posts) - len(named), gap)

    async def _load(self) -> list[Post]:
        request = DocumentRequest(
            self._url.text, accept=FEED_ACCEPT, max_bytes=FEED_MAX_BYTES, is_api=False
        )
        try:
            document = await self._fetch_document(request)
        except FetchFailed as failure:
            raise source_failure(self.uri, failure) from failure
        try:
            # A large feed is seconds of work.
            return await asyncio.to_thread(_read, document)
        except NoFeed as error:
            raise SourceFailed(self.uri, str(error)) from error


def _read(document: Document) -> list[Post]:
    """The entries, each once; those without any name behind each other."""
    feed = read_feed(document)
    posts: dict[str, Post] = {}
    for number, entry in enumerate(feed.entries):
        post = read_entry(entry, feed)
        posts.setdefault(post.post_id or str(number), post)
    return list(posts.values())


def _gap(count: int) -> str:
    return f"all {count:,} entries of the feed are new: some between them and the last look may be missing"


def _parse(source: str, url: str, tools: SourceTools) -> FeedSource:
    try:
        return FeedSource(parse_url(url.strip()), tools.fetch_document)
    except BadUrl as error:
        raise BadSource(source, error.cause) from error


FEED = SourceKind(
    word="feed",
    forms=("feed:URL",),
    summary="The entries of an RSS or Atom feed: the images that they enclose or show, else those of their pages.",
    example="feed:https://example.org/photos/feed.xml",
    parse=_parse,
    obstacle=web_obstacle,
)
