"""Reddit, through its API: communities, people and lists of communities."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping

from services.crawler.outcome import FetchFailed, StatusFailed
from services.crawler.post import Post
from services.crawler.resolvers.reading import elements, members, word
from services.crawler.resolvers.reddit_post import BadPost
from services.crawler.resolvers.registry import resolve_post
from services.crawler.sources.all_pages import list_all_pages
from services.crawler.sources.failures import source_failure
from services.crawler.sources.kind import SourceKind, SourceTools, web_obstacle
from services.crawler.sources.newest_first import PostPage, list_newest_first
from services.crawler.sources.options import join_options, split_options
from services.crawler.sources.reddit_client import RedditClient
from services.crawler.sources.reddit_place import RedditPlace, read_place
from services.crawler.sources.source import (
    BadSource,
    Batch,
    BlockReason,
    SourceBlocked,
    SourceFailed,
)

_NEWEST = "new"
_OPTIONS = {
    "sort": re.compile("new|hot|top|rising"),
    "time": re.compile("hour|day|week|month|year|all"),
}
_TIME = "day"
# Reddit's largest page, and what nomad asked for.
_PAGE_POSTS = 100
# The API ends after about 1,000 posts; pages are shorter where posts were removed.
_PAGES_MAX = 20
# As nomad polled.
_NEWEST_POLL_S = 5.0
_RANKED_POLL_S = 300.0
_POST_ID = re.compile(r"[a-z0-9]{1,16}")
_AFTER = re.compile(r"t3_[a-z0-9]{1,16}")
# A community that does not exist leads to the search for one.
_NO_PLACE = frozenset({302, 404})
_SETTINGS = "LODESTONE_CRAWLER_REDDIT_CLIENT_ID and LODESTONE_CRAWLER_REDDIT_CLIENT_SECRET"
_NO_KEYS = (
    f"it needs an application of Reddit's: set {_SETTINGS}. Since November 2025 Reddit approves new applications by "
    "hand and refuses many; reddit-rss: needs none"
)


class RedditSource:
    """Lists the posts of a place: `new` from the newest down to where the last look was, other orders as a whole.

    About 1,000 posts are as deep as the API goes, in every order.
    """

    def __init__(
        self, place: RedditPlace, client: RedditClient, *, sort: str = _NEWEST, time: str = _TIME
    ) -> None:
        """Takes the place, Reddit's API, the order, and for `top` of how long a time."""
        self._place = place
        self._client = client
        self._sort = sort
        self._time = time

    @property
    def uri(self) -> str:
        """`reddit:`, the place in small letters, and the options that are not the default."""
        sort = self._sort if self._sort != _NEWEST else ""
        time = self._time if self._sort == "top" and self._time != _TIME else ""
        return f"reddit:{join_options(self._place.text, {'sort': sort, 'time': time})}"

    @property
    def poll_s(self) -> float:
        """5 s for `new`; what is ranked changes more slowly."""
        return _NEWEST_POLL_S if self._sort == _NEWEST else _RANKED_POLL_S

    def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists pages of 100 posts; only `new` has a cursor.

        Raises:
            SourceFailed: Reddit does not answer, or has no such place.
            SourceBlocked: There is no application, Reddit refuses it or hides the place, or had too many requests.
        """
        if self._sort == _NEWEST:
            return list_newest_first(self._fetch, cursor, uri=self.uri, max_pages=_PAGES_MAX)
        return list_all_pages(self._fetch, uri=self.uri, max_pages=_PAGES_MAX)

    async def _fetch(self, after: str) -> PostPage:
        if not self._client.has_credentials:
            raise SourceBlocked(self.uri, BlockReason.CREDENTIALS_MISSING, _NO_KEYS)
        path, params = self._request()
        try:
            answer = await self._client.get(path, params | ({"after": after} if after else {}))
        except FetchFailed as failure:
            raise self._failure(failure) from failure
        # A page of a hundred posts is a tenth of a second of work, a hostile one more.
        return await asyncio.to_thread(self._read_page, answer)

    def _request(self) -> tuple[str, dict[str, str]]:
        params = {"limit": str(_PAGE_POSTS)}
        if self._sort == "top":
            params["t"] = self._time
        if self._place.kind == "u":
            return self._place.path, params | {"sort": self._sort}
        return f"{self._place.path}/{self._sort}", params

    def _failure(self, failure: FetchFailed) -> SourceFailed:
        if isinstance(failure, StatusFailed) and failure.status in _NO_PLACE:
            cause = f"Reddit has no such place, or has banned it (HTTP {failure.status})"
            return SourceFailed(self.uri, cause)
        failed = source_failure(self.uri, failure)
        if isinstance(failed, SourceBlocked) and failed.reason is BlockReason.CREDENTIALS_REFUSED:
            refused = f"{failed.cause}; see {_SETTINGS}"
            return SourceBlocked(self.uri, failed.reason, refused)
        return failed

    def _read_page(self, answer: object) -> PostPage:
        listing = members(answer)
        if listing.get("kind") != "Listing":
            raise SourceFailed(self.uri, "Reddit answered with something that is no list of posts")
        data = members(listing.get("data"))
        children = elements(data.get("children"))
        posts = tuple(filter(None, map(_read_child, children)))
        after = word(data.get("after"))
        return PostPage(posts, after if _AFTER.fullmatch(after) else "", len(children) - len(posts))


def _read_child(child: object) -> Post | None:
    """The post of a `t3`; None if it is none."""
    thing: Mapping[str, object] = members(child)
    if thing.get("kind") != "t3":
        return None
    try:
        post = resolve_post(thing.get("data"))
    except BadPost:
        return None
    return post if _POST_ID.fullmatch(post.post_id) else None


def _parse(source: str, rest: str, tools: SourceTools) -> RedditSource:
    name, options = split_options(source, rest, _OPTIONS)
    place = read_place(source, name)
    sort = options.get("sort", _NEWEST)
    if "time" in options and sort != "top":
        raise BadSource(source, "the option time goes with sort=top only")
    if place.kind == "u" and sort == "rising":
        raise BadSource(
            source, "sort=rising is not available for a person: there are new, hot and top"
        )
    return RedditSource(place, tools.reddit, sort=sort, time=options.get("time", _TIME))


def _obstacle(tools: SourceTools) -> str:
    return web_obstacle(tools, "" if tools.reddit.has_credentials else _NO_KEYS)


REDDIT = SourceKind(
    word="reddit",
    forms=("reddit:r/NAME", "reddit:r/A+B", "reddit:r/all", "reddit:u/NAME", "reddit:m/USER/LIST"),
    summary="Posts of Reddit through its API: communities, people, lists of communities; new, hot, top or rising.",
    example="reddit:r/EarthPorn",
    parse=_parse,
    obstacle=_obstacle,
)
