"""Lists a place that does not show its newest posts first: every page, at every look."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import structlog

from services.crawler.sources.newest_first import FetchPostPage
from services.crawler.sources.source import Batch


async def list_all_pages(
    fetch: FetchPostPage, *, uri: str, max_pages: int
) -> AsyncGenerator[Batch, None]:
    """Lists page after page, each post once; there is no cursor and no gap.

    A page that was asked for before, or has nothing new, ends the listing: some places lead round in circles.

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
        yield Batch(tuple(new.values()), skipped_count=page.skipped_count)
        after = page.after
        if not after:
            return
        if after in asked or not new:
            structlog.get_logger().warning("listing_loops", source=uri, page=number)
            return
