"""A server on loopback that stands for https://example.org, so that documented addresses can be asked as they are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

from services.crawler.sources.registry import SourceRegistry
from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import source_tools

_SITE = "https://example.org"


@asynccontextmanager
async def local_web(files):
    """A registry whose sources find `files` (bytes by path) at https://example.org, asked for by the real fetcher."""
    respond = by_path({path: answer(body) for path, body in files.items()})
    async with RawServer(respond) as server, fetcher_for(server.port) as fetcher:
        origin = server.url("")

        async def fetch_document(request):
            asked = replace(request, url=request.url.replace(_SITE, origin, 1))
            document = await fetcher.fetch_document(asked)
            return replace(document, final_url=document.final_url.replace(origin, _SITE, 1))

        yield SourceRegistry(source_tools(fetch_document=fetch_document))
