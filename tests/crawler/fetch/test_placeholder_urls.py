from __future__ import annotations

import pytest

from services.crawler.fetch.placeholder_urls import is_placeholder_url
from services.crawler.fetch.url import parse_url
from services.crawler.outcome import OutcomeReason
from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.crawler.fetch.support import failure, fetcher_for, listing


@pytest.mark.parametrize(
    ("address", "is_known"),
    [
        ("https://i.imgur.com/removed.png", True),
        ("http://i.imgur.com/removed.png?1", True),
        ("https://imgur.com/removed.png", True),
        ("https://s.yimg.com/pw/images/en-us/photo_unavailable.png", True),
        ("https://s.yimg.com/pw/images/en-us/photo_unavailable_l.png", True),
        ("https://s.yimg.com/pw/images/photo_unavailable.gif", True),
        ("http://l.yimg.com/g/images/photo_unavailable_s.gif", True),
        ("https://example.org/gone.png", True),
        ("https://example.org/gone.png?size=1", False),
        ("https://i.imgur.com/removed.jpg", False),
        ("https://i.imgur.com/a/removed.png", False),
        ("https://evil-imgur.com/removed.png", False),
        ("https://example.org/removed.png", False),
        ("https://s.yimg.com/pw/images/en-us/photo.png", False),
        ("https://s.yimg.com/x/photo_unavailable.png", False),
    ],
)
def test_known_addresses(address: str, *, is_known: bool) -> None:
    """Those that are documented and those that are configured, on their own hosts only."""
    more = frozenset({"https://example.org/gone.png"})
    assert is_placeholder_url(parse_url(address), more) is is_known
    assert not is_placeholder_url(parse_url("https://example.org/gone.png"))


async def test_a_redirect_to_a_placeholder_ends_there() -> None:
    """It is its own outcome, and the placeholder is not asked for; the same as a listing is asked for not at all."""
    moved = answer(status="302 Found", headers={"Location": "/gone.png"})
    async with RawServer(by_path({"/x": moved, "/gone.png": answer(b"gone")})) as server:
        urls = frozenset({server.url("/gone.png")})
        async with fetcher_for(server.port, placeholder_urls=urls) as fetcher:
            for path in ("/x", "/gone.png"):
                failed = await failure(fetcher, server.url(path))
                assert failed.reason is OutcomeReason.PLACEHOLDER
                assert failed.final_url == server.url("/gone.png")
        async with fetcher_for(server.port) as fetcher:
            fetched = await fetcher.fetch(listing(server.url("/x")))
    assert fetched.encoded == b"gone"
    assert [head.split(" ")[1] for head in server.requests] == ["/x", "/x", "/gone.png"]
