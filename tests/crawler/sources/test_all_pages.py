from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from services.crawler.post import Post
from services.crawler.sources.all_pages import list_all_pages
from services.crawler.sources.newest_first import PostPage
from services.crawler.sources.source import LOOP


def page(*names, after="", skipped_count=0):
    return PostPage(tuple(Post(post_id=name) for name in names), after, skipped_count)


async def listed(pages, *, max_pages=10):
    """The posts of each batch, what was asked for, and the gaps that were stated."""
    asked = []

    async def fetch(after):
        asked.append(after)
        return pages[after]

    batches = [batch async for batch in list_all_pages(fetch, uri="x:y", max_pages=max_pages)]
    assert not any(batch.cursor for batch in batches)
    gaps = [batch.gap for batch in batches if batch.gap]
    return [[post.post_id for post in batch.posts] for batch in batches], asked, gaps


async def test_every_page_once():
    """Down to the page that has no next; a post that moved to a later page meanwhile is listed once."""
    pages = {"": page("a", "b", after="2"), "2": page("b", "c", "c", after="3"), "3": page("d")}
    assert await listed(pages) == ([["a", "b"], ["c"], ["d"]], ["", "2", "3"], [])


@pytest.mark.parametrize(
    "pages",
    [
        {"": page("a", after="2"), "2": page("b", after="2")},
        {"": page("a", after="2"), "2": page("a", after="3")},
    ],
)
async def test_circles_end(pages):
    """A page that was asked for before, or has nothing new, is the last; the log and a gap say so."""
    with capture_logs() as logs:
        _, asked, gaps = await listed(pages)
    assert gaps == [LOOP]
    assert asked == ["", "2"]
    assert [log["event"] for log in logs] == ["listing_loops"]


async def test_the_number_of_pages_has_a_bound():
    """Whatever comes next."""
    pages = {str(n) if n else "": page(f"p{n}", after=str(n + 1)) for n in range(9)}
    assert len((await listed(pages, max_pages=4))[1]) == 4
