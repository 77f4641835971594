"""`lodestone sources`: what each source has given."""

from __future__ import annotations

import asyncio

from lodestone.cli.facts import source_yield_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import addresses
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.kept_image_pb2 import SourceYield


def sources(as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA) -> None:
    """List the sources crawled so far, best yield (accepted ÷ fetched) first."""
    output = Output(as_json=as_json)
    found = [source_yield_facts(source) for source in asyncio.run(_list())]
    if as_json:
        for facts in found:
            output.object(facts)
    elif found:
        rows = (
            (
                facts["source"],
                f"{facts['found_count']:,}",
                f"{facts['fetched_count']:,}",
                f"{facts['accepted_count']:,}",
                f"{facts['yield']:.1%}",
            )
            for facts in found
        )
        output.table(("~source", ">found", ">fetched", ">accepted", ">yield"), rows)
    else:
        output.text("no sources yet: crawl one with `lodestone crawl SOURCE --profile NAME`")


async def _list() -> list[SourceYield]:
    async with CrawlerClient(addresses().crawler) as crawler:
        await crawler.require_reachable()
        return await crawler.list_source_yields()
