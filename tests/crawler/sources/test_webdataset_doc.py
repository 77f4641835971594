from __future__ import annotations

from services.crawler.sources.registry import SourceRegistry
from tests.crawler.sources.listing import posts_of, source_tools
from tests.faithful.documented import documented_sources
from tests.faithful.shards import write_shard


async def test_the_documented_commands_list_a_data_set(tmp_path, monkeypatch) -> None:
    """Each source of the page, as it stands there, on files as img2dataset writes them."""
    (tmp_path / "laion").mkdir()
    for number in range(2):
        write_shard(tmp_path / "laion" / f"{number:05d}.tar", range(10 * number, 10 * number + 3))
    monkeypatch.setenv("HOME", str(tmp_path))
    counts = [
        len(await posts_of(SourceRegistry(source_tools()).parse(text)))
        for text in documented_sources("webdataset")
    ]
    assert counts == [6, 6, 3]
