"""Lists a place in the order of its posts' times, window by window, and goes on from there."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from services.crawler.post import Post
from services.crawler.sources.source import Batch

# What is remembered of the newest posts: the cursor has a bound. Posts with longer names may come twice.
_NAMES_MAX = 1_000
_NAME_CHARACTERS = 40
_STALLS_MAX = 2


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when posts are listed, seconds since 1970.

    Attributes:
        after: The first second.
        before: The second behind the last; None for no end.
        overlap_s: How far behind the newest known post a later look begins: some posts come late.
    """

    after: int = 0
    before: int | None = None
    overlap_s: int = 0


@dataclass(frozen=True, slots=True)
class WindowPage:
    """The first posts of a place from a second on.

    Attributes:
        posts: Each with its `post_id` and `time`; in any order, but the place must have no earlier one than its last.
        is_full: Whether there are as many entries as were asked for, so that there may be more.
        skipped_count: Entries beside the posts that have no name or time.
    """

    posts: tuple[Post, ...]
    is_full: bool
    skipped_count: int = 0


FetchWindow = Callable[[int], Awaitable[WindowPage]]


async def list_by_time(
    fetch: FetchWindow, cursor: str, span: Span, *, uri: str
) -> AsyncGenerator[Batch, None]:
    """Lists from the earliest post on; the next window begins at the last second of the one before.

    That second is asked for again, so that posts of it are not lost at the page's end, and those that are known are
    left out. A full page of nothing but one second cannot be asked for otherwise: listing goes on at the next second,
    and states a gap. The end is a page that is not full and brings nothing new. A place that twice gives a full page
    without leading on leads round in circles: that ends the listing, with a gap.

    The cursor is the time and the names of the posts in the overlap before it: a look goes on where the last one ended,
    whether that was in the middle of a backfill or a moment ago.

    Args:
        fetch: Gets the earliest posts from a second on (inclusive). Its errors pass through.
        cursor: The earlier listing's; empty lists everything.
        span: What to list.
        uri: The source, for the log.
    """
    walk = _Walk(span, *_read_cursor(cursor))
    while not walk.is_over:
        page = await fetch(walk.time)
        posts, gap = walk.take(page)
        if walk.is_looping:
            structlog.get_logger().warning("listing_loops", source=uri, time=walk.time)
        yield Batch(posts, walk.cursor(), page.skipped_count, gap)


class _Walk:
    """Where one listing stands."""

    def __init__(self, span: Span, time: int, names: Iterable[str]) -> None:
        self._span = span
        self._known = dict.fromkeys(names, time)
        self._newest = max(time, span.after)
        self.time = max(span.after, time - span.overlap_s) if time else span.after
        self._stalls = 0
        self._has_ended = False
        # Whether the place does not lead on.
        self.is_looping = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to ask for now."""
        return self._has_ended or self._is_behind(self.time)

    def take(self, page: WindowPage) -> tuple[tuple[Post, ...], str]:
        """The posts that are new, in the order of their times, and what may have been missed."""
        times = {post.post_id: _second(post) for post in page.posts}
        inside = {name: time for name, time in times.items() if self._is_inside(time)}
        new = [name for name in inside if name not in self._known]
        self._known |= {name: inside[name] for name in new}
        by_name = {post.post_id: post for post in page.posts}
        posts = tuple(by_name[name] for name in sorted(new, key=inside.__getitem__))
        return posts, self._move(page, times, is_new=bool(new))

    def _is_inside(self, time: int) -> bool:
        return self.time <= time and not self._is_behind(time)

    def _is_behind(self, time: int) -> bool:
        return self._span.before is not None and time >= self._span.before

    def _move(self, page: WindowPage, times: Mapping[str, int], *, is_new: bool) -> str:
        """Goes on to the next window; returns what may have been missed."""
        inside = [time for time in times.values() if not self._is_behind(time)]
        last = max(inside, default=self.time)
        is_one_second = bool(times) and set(times.values()) == {self.time}
        # A post behind the span has none of it after it; its time, maybe of a wrong clock, must not move the cursor.
        self._has_ended = len(inside) < len(times) or (not page.is_full and not is_new)
        if last > self.time:
            self._stalls = 0
            self._go_to(last)
        elif page.is_full and is_one_second:
            self._stalls = 0
            self._go_to(self.time + 1)
            return f"of the second {last} only {len(times):,} posts were shown: there may be more"
        else:
            self._stalls += 1
            self._has_ended |= self._stalls >= _STALLS_MAX
            self.is_looping = self._has_ended and page.is_full
        return (
            f"the same posts come again and again behind the second {self.time}"
            if self.is_looping
            else ""
        )

    def _go_to(self, time: int) -> None:
        self.time = time
        self._newest = max(self._newest, time)
        first = self._newest - max(self._span.overlap_s, 0)
        self._known = {name: at for name, at in self._known.items() if at >= min(first, time)}

    def cursor(self) -> str:
        """Where the next look goes on: a JSON list of the time and the names."""
        newest_first = sorted(self._known, key=self._known.__getitem__, reverse=True)
        kept = [name for name in newest_first[:_NAMES_MAX] if len(name) <= _NAME_CHARACTERS]
        return json.dumps([self._newest, kept], ensure_ascii=False)


def _second(post: Post) -> int:
    assert post.time is not None, "a post in a window has its time"
    return int(post.time)


def _read_cursor(cursor: str) -> tuple[int, list[str]]:
    """The time and the names; of a cursor that was not written here, 0 and none."""
    try:
        time, names = json.loads(cursor)
    except (RecursionError, TypeError, ValueError):
        return 0, []
    is_time = isinstance(time, int) and not isinstance(time, bool) and time > 0
    if not is_time or not isinstance(names, list):
        return 0, []
    return time, [name for name in names if isinstance(name, str)]
