from __future__ import annotations

import pytest

from services.crawler.sources.feed import FEED
from tests.crawler.sources.listing import posts_of
from tests.crawler.sources.local_web import local_web
from tests.faithful.documented import documented_sources
from tests.faithful.feed_files import item, rss

SOURCES = [*documented_sources("feed"), FEED.example]


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text):
    """Each source of the page's commands lists an entry of a site that has the feed."""
    feed = rss(item("a", html="<img src=/lake.jpg>"))
    async with local_web({"/photos/feed.xml": feed, "/rss?tag=lakes": feed}) as registry:
        [post] = await posts_of(registry.parse(text))
    assert post.images.images


def test_the_page_has_examples():
    """At least one."""
    assert len(SOURCES) > 1
