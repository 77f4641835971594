from __future__ import annotations

import pytest

from services.crawler.sources.reddit_rss import REDDIT_RSS
from services.crawler.sources.registry import SourceRegistry
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import posts_of, source_tools
from tests.faithful.documented import documented_sources
from tests.faithful.reddit_posts import link_post
from tests.faithful.reddit_server import RedditServer

SOURCES = [*documented_sources("reddit-rss"), REDDIT_RSS.example]


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text):
    """Each source of the page's commands lists a post of a Reddit that has it; the first request waits for nothing."""
    async with RedditServer() as reddit, fetcher_for(reddit.port) as fetcher:
        paths = ("r/earthporn/new", "r/earthporn+skyporn/new", "user/hiker/submitted")
        reddit.places = {path: [link_post("1lake")] for path in paths}
        tools = source_tools(fetch_document=fetcher.fetch_document, api_base=reddit.api_base)
        [post] = await posts_of(SourceRegistry(tools).parse(text))
    assert post.images.images


def test_the_page_shows_all_forms():
    """Communities and a person."""
    assert {text.split("/")[0] for text in SOURCES} == {"reddit-rss:r", "reddit-rss:u"}
