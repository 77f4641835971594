from __future__ import annotations

import pytest

from services.crawler.sources.credentials import Credentials
from services.crawler.sources.imgur import IMGUR
from services.crawler.sources.imgur_api import IMGUR_API
from tests.crawler.sources.listing import posts_of
from tests.faithful.asking import registry_for
from tests.faithful.documented import documented_sources
from tests.faithful.imgur_server import CLIENT_ID, Image, ImgurServer, Post

SOURCES = [*documented_sources("imgur"), IMGUR.example]


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text):
    """Each source of the page's commands lists a post of an Imgur that has it."""
    async with ImgurServer() as imgur:
        imgur.posts = [Post([Image()], post_id="AbCdE12")]
        bases = {IMGUR_API: imgur.origin}
        keys = Credentials(imgur_client_id=CLIENT_ID)
        async with registry_for(imgur, bases, credentials=keys) as registry:
            posts = await posts_of(registry.parse(text))
    assert [post.post_id for post in posts] == ["AbCdE12"]


def test_the_page_shows_all_forms():
    """The gallery, a tag, an album and a person."""
    forms = {text.partition(":")[2].partition("/")[0] for text in SOURCES}
    assert forms == {"gallery", "tag", "album", "user"}
