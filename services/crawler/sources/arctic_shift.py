"""Subreddits and authors of Reddit out of the Arctic Shift archive, from the earliest post on."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from services.crawler.fetch.document import DocumentRequest
from services.crawler.fetch.retry_after import RETRY_AFTER_MAX_S
from services.crawler.outcome import StatusFailed
from services.crawler.post import Post
from services.crawler.resolvers.reddit_post import BadPost
from services.crawler.sources.archived_post import read_archived_post
from services.crawler.sources.json_answer import ask_json
from services.crawler.sources.kind import SourceKind, SourceTools, web_obstacle
from services.crawler.sources.moments import ANY_TEXT, moment_text, read_span
from services.crawler.sources.options import join_options, split_options
from services.crawler.sources.source import (
    BadSource,
    Batch,
    BlockReason,
    SourceBlocked,
    SourceFailed,
)
from services.crawler.sources.text import clean_text
from services.crawler.sources.time_windows import Span, WindowPage, list_by_time

# https://github.com/ArthurHeitmann/arctic_shift/blob/master/api/README.md
BASE = "https://arctic-shift.photon-reddit.com"

_PAGE_POSTS = 100
# Some windows are too much work for a full page and come in smaller ones (arctic_shift issue 66).
_PAGE_POSTS_MIN = 25
_OVERLAP_S = 900
_DAY_S = 86_400
_RETRY_S = 60.0
_PATIENCE_S = 120.0
_TOO_MUCH_WORK = 422
_SLOW_DOWN = re.compile(r"slow down|timed? ?out|rate limit|too many", re.IGNORECASE)
_NAMES = {
    "r": re.compile(r"[A-Za-z0-9_]{2,40}"),
    "u": re.compile(r"[A-Za-z0-9_-]{2,40}"),
}
_PARAMETERS = {"r": "subreddit", "u": "author"}


class _TooMuchWork(Exception):
    """The service did not get a page together in its time."""


@dataclass(frozen=True, slots=True)
class ArchivedPlace:
    """What is listed.

    Attributes:
        prefix: `r` for a subreddit, `u` for an author.
        name: Its name, in lower case.
        after: The first second; None for the earliest post.
        before: The second behind the last; None for no end.
    """

    prefix: str
    name: str
    after: int | None = None
    before: int | None = None


class ArcticShiftSource:
    """Lists a place's posts in the order of their times; a later look goes on from there.

    So a backfill and what comes after it are one source.
    """

    poll_s = 300.0
    # Between two requests of all sources together, seconds. One person's service, free for all: "a couple requests per
    # second" are fine, this is less.
    gap_s = 1.0

    def __init__(self, place: ArchivedPlace, tools: SourceTools) -> None:
        self._place = place
        self._tools = tools
        self._limit = _PAGE_POSTS
        self._rest_until = 0.0

    @property
    def uri(self) -> str:
        """`arctic-shift:`, the place, and its span if it has one."""
        place = self._place
        span = {"after": moment_text(place.after), "before": moment_text(place.before)}
        return f"arctic-shift:{join_options(f'{place.prefix}/{place.name}', span)}"

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists a page after the other, at most one a second.

        The cursor is the time of the newest post and the names of those of the last 15 minutes before it.

        Raises:
            SourceBlocked: The service asks to be left alone for a while, or refuses.
            SourceFailed: It does not answer, or with something else than posts.
        """
        self._limit = _PAGE_POSTS
        # A post cannot be from the day after tomorrow: its clock would end all later looks.
        latest = int(time.time()) + _DAY_S
        before = latest if self._place.before is None else min(latest, self._place.before)
        span = Span(self._place.after or 0, before, _OVERLAP_S)
        async for batch in list_by_time(self._fetch, cursor, span, uri=self.uri):
            yield batch

    async def _fetch(self, second: int) -> WindowPage:
        while True:
            await self._rest()
            try:
                return await self._page(second)
            except _TooMuchWork as error:
                if self._limit <= _PAGE_POSTS_MIN:
                    raise SourceBlocked(
                        self.uri, BlockReason.RATE_LIMITED, str(error), retry_s=_RETRY_S
                    ) from error
                self._limit //= 2

    async def _rest(self) -> None:
        wait_s = self._rest_until - time.time()
        if wait_s > _PATIENCE_S:
            cause = "no requests are left for now"
            raise SourceBlocked(self.uri, BlockReason.RATE_LIMITED, cause, retry_s=wait_s)
        await asyncio.sleep(max(0.0, wait_s))

    async def _page(self, second: int) -> WindowPage:
        request = DocumentRequest(self._url(second), gap_s=self.gap_s)
        try:
            answer = await ask_json(self.uri, request, self._tools)
        except SourceFailed as failure:
            cause = failure.__cause__
            if isinstance(cause, StatusFailed) and cause.status == _TOO_MUCH_WORK:
                raise _TooMuchWork(failure.cause) from failure
            raise
        self._rest_until = _rest_until(answer.headers)
        return await asyncio.to_thread(self._read, answer.body)

    def _url(self, second: int) -> str:
        """Without `fields`: those that can be chosen leave galleries out."""
        query: dict[str, object] = {
            _PARAMETERS[self._place.prefix]: self._place.name,
            "sort": "asc",
            "limit": self._limit,
        }
        # Whether a window has its first second in it is not documented: what is too early is left out here.
        if second > 0:
            query["after"] = second - 1
        if self._place.before is not None:
            query["before"] = self._place.before
        return f"{self._tools.api_base(BASE)}/api/posts/search?{urlencode(query)}"

    def _read(self, body: Mapping[str, object]) -> WindowPage:
        """The posts of an answer: `{"data": [post, …]}`, or `{"data": null, "error": "…"}`, whatever its status."""
        entries = body.get("data")
        if not isinstance(entries, list):
            cause = clean_text(body.get("error")) or "it answered without posts"
            raise _TooMuchWork(cause) if _SLOW_DOWN.search(cause) else SourceFailed(self.uri, cause)
        posts = [post for entry in entries if (post := _post(entry)) is not None]
        is_full = len(entries) >= self._limit
        return WindowPage(tuple(posts), is_full, len(entries) - len(posts))


def _post(entry: object) -> Post | None:
    try:
        post = read_archived_post(entry)
    except BadPost:
        return None
    return post if post.post_id and post.time is not None else None


def _rest_until(headers: Mapping[str, str]) -> float:
    """Until when nothing is to be asked, seconds since 1970; 0 while requests are left.

    `X-RateLimit-Reset` is documented as when the limit is reset: a small number is read as seconds from now.
    """
    remaining = _number(headers.get("x-ratelimit-remaining", ""))
    reset = _number(headers.get("x-ratelimit-reset", ""))
    if remaining is None or remaining >= 1 or reset is None:
        return 0.0
    now = time.time()
    return min(reset if reset > _DAY_S else now + reset, now + RETRY_AFTER_MAX_S)


def _number(text: str) -> float | None:
    is_number = re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text.strip())
    return float(text) if is_number else None


def _parse(source: str, text: str, tools: SourceTools) -> ArcticShiftSource:
    path, options = split_options(source, text.strip(), {"after": ANY_TEXT, "before": ANY_TEXT})
    prefix, _, name = path.strip("/").partition("/")
    pattern = _NAMES.get(prefix)
    if pattern is None or not pattern.fullmatch(name):
        raise BadSource(source, "it is written arctic-shift:r/NAME or arctic-shift:u/NAME")
    if prefix == "r" and name.lower() in ("all", "popular"):
        raise BadSource(source, f"r/{name} is no subreddit of its own; name one")
    after, before = read_span(source, options)
    return ArcticShiftSource(ArchivedPlace(prefix, name.lower(), after, before), tools)


ARCTIC_SHIFT = SourceKind(
    word="arctic-shift",
    forms=("arctic-shift:r/NAME", "arctic-shift:u/NAME"),
    summary="Posts of a subreddit or an author from the Arctic Shift archive, earliest first; ?after= and ?before=.",
    example="arctic-shift:r/EarthPorn?after=2024-01-01",
    parse=_parse,
    obstacle=web_obstacle,
)
