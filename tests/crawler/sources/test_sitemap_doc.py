from __future__ import annotations

import gzip

import pytest

from services.crawler.sources.sitemap import SITEMAP
from tests.crawler.sources.listing import posts_of
from tests.crawler.sources.local_web import local_web
from tests.faithful.documented import documented_sources
from tests.faithful.feed_files import image, url, urlset

SOURCES = [*documented_sources("sitemap"), SITEMAP.example]


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text):
    """Each source of the page's commands lists a page of a site that has the map."""
    site_map = urlset(url("https://example.org/lake", inside=image("https://example.org/lake.jpg")))
    files = {"/sitemap.xml": site_map, "/maps/images.xml.gz": gzip.compress(site_map)}
    async with local_web(files) as registry:
        [post] = await posts_of(registry.parse(text))
    assert post.images.images


def test_the_page_has_examples():
    """At least one."""
    assert len(SOURCES) > 1
