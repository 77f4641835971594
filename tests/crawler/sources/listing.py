"""What tests of sources share: tools that ask nobody, and what a source lists."""

from __future__ import annotations

from services.crawler.sources.kind import SourceTools


async def no_page(url):
    raise AssertionError(url)


async def no_document(request):
    raise AssertionError(request.url)


def no_session(url):
    raise AssertionError(url)


def no_proxy():
    raise AssertionError("a proxy")


def source_tools(**changed):
    """Tools of which each fails the test that uses it, but those that are given."""
    unused = {
        "fetch_page": no_page,
        "fetch_document": no_document,
        "open_session": no_session,
        "guard_proxy": no_proxy,
    }
    return SourceTools(**unused | changed)


async def batches_of(source, cursor=""):
    return [batch async for batch in source.list_posts(cursor)]


async def posts_of(source, cursor=""):
    return [post for batch in await batches_of(source, cursor) for post in batch.posts]


async def last_cursor(source, cursor=""):
    """Where a look at the source leaves off."""
    for batch in await batches_of(source, cursor):
        cursor = batch.cursor or cursor
    return cursor
