from __future__ import annotations

import re
import tomllib
from pathlib import Path

from lodestone.cli.crawl.source import chosen_sources
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource
from services.crawler.post_rules import PostRules
from services.crawler.sources.registry import KINDS, SourceRegistry
from tests.crawler.sources.listing import source_tools

PAGES = Path(__file__).parents[3] / "docs" / "sources"


def test_every_kind_has_its_page_and_its_row():
    """The index lists the kinds of the registry, in its order, each with a page."""
    rows = re.findall(r"\| \[`([\w-]+):`\]\(([\w-]+)\.md\)", (PAGES / "README.md").read_text())
    assert [word for word, _ in rows] == [page for _, page in rows]
    assert sorted(word for word, _ in rows) == sorted(kind.word for kind in KINDS)
    for word, page in rows:
        assert f"{word}:" in (PAGES / f"{page}.md").read_text()


def test_the_documented_file_is_understood(tmp_path):
    """The example of a file of sources is read whole, its sources and patterns are valid."""
    [example] = re.findall(r"```toml\n(.*?)```", (PAGES / "README.md").read_text(), re.DOTALL)
    (tmp_path / "sources.toml").write_text(example)
    sources = chosen_sources([str(tmp_path / "sources.toml")], CrawlSource())
    assert len(sources) == len(tomllib.loads(example)["source"]) == 2
    registry = SourceRegistry(source_tools())
    for source in sources:
        assert registry.parse(source.uri).uri
        PostRules(deny_titles=tuple(source.rules.deny_titles))
