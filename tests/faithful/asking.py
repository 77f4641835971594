"""Sources that ask a faithful server with the real fetcher."""

from __future__ import annotations

from contextlib import asynccontextmanager

from services.crawler.sources.credentials import Credentials
from services.crawler.sources.registry import SourceRegistry
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import source_tools


@asynccontextmanager
async def registry_for(server, bases, *, credentials=Credentials(), **changed):
    """A registry whose sources ask `server` at loopback for what is public elsewhere.

    Args:
        server: An `ApiServer` that runs.
        bases: Where it answers, by the public address.
        credentials: Keys and tokens.
        changed: Of `SourceTools`.
    """
    async with fetcher_for(server.port) as fetcher:
        tools = source_tools(
            fetch_page=fetcher.fetch_page,
            fetch_document=fetcher.fetch_document,
            api_base=lambda base: bases.get(base, base),
            credentials=credentials,
            **changed,
        )
        yield SourceRegistry(tools)
