from __future__ import annotations

import pytest

from services.crawler.sources.reddit import REDDIT
from services.crawler.sources.registry import SourceRegistry
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import posts_of, source_tools
from tests.faithful.documented import documented_sources
from tests.faithful.reddit_posts import link_post
from tests.faithful.reddit_server import CREDENTIALS, RedditServer

PATHS = (
    *("r/earthporn/new", "r/earthporn+skyporn/top", "user/hiker/submitted"),
    "user/hiker/m/lakes/hot",
)
SOURCES = [*documented_sources("reddit"), REDDIT.example]


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text):
    """Each source of the page's commands lists a post of a Reddit that has it."""
    async with RedditServer() as reddit, fetcher_for(reddit.port) as fetcher:
        reddit.places = {path: [link_post("1lake")] for path in PATHS}
        tools = source_tools(
            open_session=fetcher.open_session, api_base=reddit.api_base, credentials=CREDENTIALS
        )
        [post] = await posts_of(SourceRegistry(tools).parse(text))
    assert post.images.images


def test_the_page_shows_all_forms():
    """A community, several, a person and a list."""
    assert {text.split("/")[0] for text in SOURCES} == {"reddit:r", "reddit:u", "reddit:m"}
