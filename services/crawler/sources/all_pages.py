"""Lists a place that does not show its newest posts first: every page, at every look."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import structlog

from services.crawler.sources.newest_first import FetchPostPage
from services.crawler.sources.source import LOOP, Batch


async def list_all_pages(
    fetch: FetchPostPage, *, uri: str, max_pages: int
) -> AsyncGenerator[Batch, None]:
    """Lists page after page, each post once; there is no cursor.

    A page that was asked for before, or has nothing new, ends the listing, with a gap: some places lead round in
    circles.

    Args:
        fetch: Gets a page, given its `after`; empty for the first. Its errors pass through.
        uri: The source, for the log.
        max_pages: Pages at most.
    """
    seen: set[str] = set()
    asked: set[str] = set()
    after = ""
    for number in range(1, max_pages + 1):
        page = await fetch(after)
        new = {post.post_id: post for post in page.posts if post.post_id not in seen}
        seen.update(new)
        asked.add(after)
        after = page.after
        is_looping = bool(after) and (after in asked or not new)
        gap = LOOP if is_looping else ""
        yield Batch(tuple(new.values()), skipped_count=page.skipped_count, gap=gap)
        if is_looping:
            structlog.get_logger().warning("listing_loops", source=uri, page=number)
        if is_looping or not after:
            return
