from __future__ import annotations

from services.crawler.sources.registry import SourceRegistry
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import posts_of, source_tools
from tests.faithful.documented import documented_sources
from tests.faithful.mastodon_server import MastodonServer


async def test_the_documented_commands_list_from_an_instance() -> None:
    """Each source of the page, as it stands there, run against an instance of ours in the example's place."""
    texts = documented_sources("gallery-dl")
    assert len(texts) == 2
    async with MastodonServer() as server, fetcher_for(server.port) as fetcher:
        server.publish(2)
        bases = {"https://mastodon.example": server.origin}
        tools = source_tools(
            guard_proxy=fetcher.open_proxy, api_base=lambda base: bases.get(base, base)
        )
        for text in texts:
            source = SourceRegistry(tools).parse(text)
            assert source.uri == text
            posts = await posts_of(source)
            assert [len(post.images.images) for post in posts] == [1, 1]
