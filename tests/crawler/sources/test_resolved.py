from __future__ import annotations

import pytest

from services.crawler.fetch.fetcher import Page
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.sources.resolved import ResolvedSource

ALBUM = """<html><head><meta property="og:image" content="https://i.imgur.com/Cover01.jpg?fb">
<meta property="og:title" content="An album"></head></html>"""


class FakeSource:
    """Lists these addresses."""

    uri = "urls:/list.txt"
    skipped_count = 3

    def __init__(self, *urls):
        self._urls = urls

    async def list_images(self):
        for url in self._urls:
            yield Listing(self.uri, url, title="listed", author="Ada")


async def listed(*urls, pages=None):
    """What is listed, and which pages were asked for."""
    asked = []

    async def fetch_page(url):
        asked.append(url)
        answer = (pages or {}).get(url)
        if answer is None:
            raise FetchFailed(OutcomeReason.NOT_FOUND, "404")
        if isinstance(answer, OutcomeReason):
            raise FetchFailed(answer, "busy")
        return Page(answer, url, "text/html")

    source = ResolvedSource(FakeSource(*urls), fetch_page)
    return [listing async for listing in source.list_images()], asked


@pytest.mark.parametrize(
    "url", ["https://a.example/1.jpg", "https://a.example/page", "file:///a.jpg", "ftp://a/b"]
)
async def test_what_no_resolver_knows_is_listed_as_it_is(url):
    """Nothing is asked for, and nothing of the listing changes."""
    found, asked = await listed(url)
    assert found == [Listing("urls:/list.txt", url, title="listed", author="Ada")]
    assert asked == []


async def test_a_page_that_needs_no_asking():
    """A single imgur page is its image; the page is kept as the place that shows it."""
    (found,), asked = await listed("https://imgur.com/AbCdE12")
    assert found.url == "https://i.imgur.com/AbCdE12.jpg"
    assert found.page_url == "https://imgur.com/AbCdE12"
    assert (found.title, found.author) == ("listed", "Ada")
    assert asked == []


async def test_a_page_that_is_asked_for():
    """An album without a key: its page names its cover."""
    album = "https://imgur.com/a/AbCdE12"
    (found,), asked = await listed(album, pages={album: ALBUM})
    assert asked == [album]
    assert found.url.startswith("https://i.imgur.com/Cover01.jpg")
    assert found.page_url == album


@pytest.mark.parametrize("failure", [None, OutcomeReason.RATE_LIMITED])
async def test_a_page_that_does_not_answer_is_listed_itself(failure):
    """Its outcome will say why; nothing is lost."""
    album = "https://imgur.com/a/AbCdE12"
    (found,), _ = await listed(album, pages={album: failure} if failure else None)
    assert found.url == album


def test_it_is_the_other_source():
    """The same name and count."""
    source = ResolvedSource(FakeSource(), None)
    assert (source.uri, source.skipped_count) == ("urls:/list.txt", 3)
