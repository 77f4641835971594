from __future__ import annotations

import pytest

from services.crawler.sources.credentials import Credentials
from services.crawler.sources.flickr import FLICKR
from services.crawler.sources.flickr_api import FLICKR_API, FlickrApi
from tests.crawler.sources.listing import posts_of
from tests.faithful.asking import registry_for
from tests.faithful.documented import documented_sources
from tests.faithful.flickr_server import KEY, FlickrServer, Photo

SOURCES = [*documented_sources("flickr"), FLICKR.example]
GROUP = "34427469792@N01"


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    """Requests follow each other at once."""
    monkeypatch.setattr(FlickrApi, "gap_s", 0.0)


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text):
    """Each source of the page's commands lists a photo of a Flickr that has it."""
    photo = Photo(title="An aurora over a mountain lake", tags="landscape", date=1_600_000_000)
    async with FlickrServer() as flickr:
        flickr.photos = [photo]
        flickr.groups[GROUP] = [photo]
        bases = {FLICKR_API: flickr.origin}
        keys = Credentials(flickr_key=KEY)
        async with registry_for(flickr, bases, credentials=keys) as registry:
            posts = await posts_of(registry.parse(text))
    assert [post.post_id for post in posts] == [photo.photo_id]


def test_the_page_shows_all_forms():
    """A search, a tag, a group and a person."""
    forms = {text.partition(":")[2].partition("/")[0] for text in SOURCES}
    assert forms == {"search", "tag", "group", "user"}
