"""Lists a place that shows its newest posts first, page by page, down to where it was listed before."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import structlog

from services.crawler.post import Post
from services.crawler.sources.source import LOOP, Batch

# Posts come late: some wait for a moderator, and an archive fills up behind its newest. So listing goes on for a while
# behind the first post that is known.
_OVERLAP_POSTS = 25
_REMEMBERED_POSTS = 500
# What a source's own cursor may hold besides has room within 64 KiB.
_CURSOR_MAX_CHARACTERS = 60_000
_BETWEEN = ", "


@dataclass(frozen=True, slots=True)
class PostPage:
    """One page of a place.

    Attributes:
        posts: Newest first; each has its `post_id`.
        after: What to ask for to get the next page; empty on the last.
        skipped_count: Entries beside the posts that have no address.
    """

    posts: tuple[Post, ...]
    after: str = ""
    skipped_count: int = 0


FetchPostPage = Callable[[str], Awaitable[PostPage]]


async def list_newest_first(
    fetch: FetchPostPage, cursor: str, *, uri: str, max_pages: int
) -> AsyncGenerator[Batch, None]:
    """Lists from the newest post down to 25 posts behind the first that an earlier listing saw, that one left out.

    The cursor, a JSON list of the newest posts' names, changes with the last batch only: a listing that breaks off
    begins again from the top. If the pages end before a known post comes, the last batch states the gap. A page that
    was asked for before, or has nothing new, ends the listing: some places lead round in circles.

    Args:
        fetch: Gets a page, given its `after`; empty for the first. Its errors pass through.
        cursor: The earlier listing's; empty lists everything.
        uri: The source, for the log.
        max_pages: Pages at most.
    """
    known = _read_cursor(cursor)
    walk = _Walk(frozenset(known))
    after = ""
    for number in range(1, max_pages + 1):
        page = await fetch(after)
        new = walk.take(page.posts)
        after = walk.next_page(page.after)
        if walk.is_looping:
            structlog.get_logger().warning("listing_loops", source=uri, page=number)
        if not after or number == max_pages:
            cursor = _write_cursor(walk.seen, known)
            yield Batch(tuple(new), cursor, page.skipped_count, walk.gap(had_more=bool(after)))
            return
        yield Batch(tuple(new), skipped_count=page.skipped_count)


class _Walk:
    """Where one listing stands."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self._overlap = 0
        self._pages: set[str] = set()
        # Names alone: a first walk may have thousands of posts.
        self.seen: dict[str, None] = {}
        self.is_looping = False
        self._seen_before = 0

    def take(self, posts: Iterable[Post]) -> list[Post]:
        """The posts that no listing has had yet, until there are enough that an earlier one had."""
        self._seen_before = len(self.seen)
        new = []
        for post in posts:
            if self._overlap >= _OVERLAP_POSTS:
                break
            if post.post_id in self.seen:
                continue
            self.seen[post.post_id] = None
            if post.post_id in self._known:
                self._overlap += 1
            else:
                new.append(post)
        return new

    def next_page(self, after: str) -> str:
        """The next page to ask for; empty if this listing is at its end."""
        if self._overlap >= _OVERLAP_POSTS or not after:
            return ""
        self.is_looping = after in self._pages or len(self.seen) == self._seen_before
        self._pages.add(after)
        return "" if self.is_looping else after

    def gap(self, *, had_more: bool) -> str:
        """What was missed, if an earlier listing had posts and none of them came."""
        if self.is_looping:
            return LOOP
        if not self._known or self._overlap or not self.seen:
            return ""
        shown = "more than were asked for" if had_more else "all that the place still shows"
        return f"{len(self.seen):,} posts are new, {shown}: some between them and the last listing may be missing"


def _read_cursor(cursor: str) -> list[str]:
    try:
        names = json.loads(cursor) if cursor else []
    except (ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _write_cursor(seen: Iterable[str], known: Iterable[str]) -> str:
    """The newest names; those of an earlier listing behind them, in case that the newest are deleted."""
    names: list[str] = []
    length = 0
    for name in islice(dict.fromkeys((*seen, *known)), _REMEMBERED_POSTS):
        # Escaped: a name with a lone surrogate could not be stored.
        names.append(json.dumps(name))
        length += len(names[-1]) + len(_BETWEEN)
        if length > _CURSOR_MAX_CHARACTERS:
            names.pop()
            break
    return f"[{_BETWEEN.join(names)}]"
