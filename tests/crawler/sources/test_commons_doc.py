from __future__ import annotations

import pytest

from services.crawler.sources.commons import COMMONS, COMMONS_API
from services.crawler.sources.mediawiki import MediaWiki
from tests.crawler.sources.listing import posts_of
from tests.faithful.asking import registry_for
from tests.faithful.commons_server import CommonsServer, WikiFile
from tests.faithful.documented import documented_sources

SOURCES = [*documented_sources("commons"), COMMONS.example]


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    """Requests follow each other at once."""
    monkeypatch.setattr(MediaWiki, "gap_s", 0.0)


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text):
    """Each source of the page's commands lists a file of a wiki that has it."""
    async with CommonsServer() as wiki:
        wiki.categories = {
            "Category:Featured pictures of landscapes": [WikiFile("A.jpg")],
            "Category:Lakes of Iceland": [WikiFile("B.jpg")],
            "Category:Uploads": [WikiFile("A mountain lake.jpg"), WikiFile("C.jpg", user="Diliff")],
        }
        async with registry_for(wiki, {COMMONS_API: wiki.api}) as registry:
            [post] = await posts_of(registry.parse(text))
    assert post.licence
    assert post.author


def test_the_page_shows_all_forms():
    """A category, a search and a person."""
    assert {text.split("/")[0].split(":")[1] for text in SOURCES} == {"Category", "search", "user"}
