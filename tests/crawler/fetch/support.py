"""What the tests of fetching share."""

from __future__ import annotations

from typing import Any

import pytest

from services.crawler.fetch.address import AddressPolicy, AllowedAddress
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.fetch.web_client import Network
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed
from tests.crawler.fetch.fake_resolver import FakeResolver

# Tests of the pace set their own.
_QUICK: dict[str, Any] = {
    "connect_s": 2.0,
    "first_byte_s": 2.0,
    "total_s": 5.0,
    "pace": PaceLimits(requests_per_s=1_000.0, first_pause_s=0.01),
}


class TableFetcher(Fetcher):
    """A fetcher whose names come from a table."""

    resolver: FakeResolver


def fetcher_for(
    *allowed: int | str,
    names: dict[str, list[list[str]]] | None = None,
    tls: Any = None,
    identity: Identity = Identity("0", "https://example.org/bot"),
    placeholder_urls: frozenset[str] = frozenset(),
    **limits: Any,
) -> TableFetcher:
    """A fetcher that may ask 127.0.0.1 at these ports, or what these entries allow; names come from a table."""
    resolver = FakeResolver(names or {})
    entries = (entry if isinstance(entry, str) else f"127.0.0.1:{entry}" for entry in allowed)
    fetcher = TableFetcher(
        policy=policy_for(*entries),
        identity=identity,
        limits=FetchLimits(**_QUICK | limits),
        network=Network(resolver=resolver, tls=tls),
        placeholder_urls=placeholder_urls,
    )
    fetcher.resolver = resolver
    return fetcher


def policy_for(*entries: str) -> AddressPolicy:
    return AddressPolicy(tuple(AllowedAddress.parse(entry) for entry in entries))


def listing(url: str, source: str = "urls:/list.txt") -> Listing:
    return Listing(source=source, url=url)


async def failure(fetcher: Fetcher, url: str, source: str = "urls:/list.txt") -> FetchFailed:
    """The failure of fetching a URL, which must not succeed."""
    with pytest.raises(FetchFailed) as failed:
        await fetcher.fetch(listing(url, source))
    assert str(failed.value)
    assert "\n" not in str(failed.value)
    return failed.value
