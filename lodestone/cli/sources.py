"""`lodestone sources`: what each source, or each host, has given."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from lodestone.cli.facts import host_facts, source_yield_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import addresses
from lodestone.cli.words import spoken
from lodestone.client import CrawlerClient

_SHOWN_REASONS = 3
_HOST_COLUMNS = ("~host", ">found", ">fetched", "~not fetched")
_SOURCE_COLUMNS = ("~source", ">found", ">fetched", ">accepted", ">yield", "~not fetched")


def sources(
    hosts: Annotated[
        bool, typer.Option("--hosts", help="List the hosts instead, most listings first.")
    ] = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """List the sources crawled so far, best yield (accepted ÷ fetched) first."""
    output = Output(as_json=as_json)
    found = asyncio.run(_list_hosts() if hosts else _list_sources())
    if as_json:
        for facts in found:
            output.object(facts)
    elif not found:
        output.text("no sources yet: crawl one with `lodestone crawl SOURCE --profile NAME`")
    elif hosts:
        output.table(_HOST_COLUMNS, [_host_row(facts) for facts in found])
    else:
        output.table(_SOURCE_COLUMNS, [_source_row(facts) for facts in found])


def _host_row(facts: dict[str, Any]) -> tuple[str, ...]:
    return facts["host"] or "local files", *_counts(facts), _not_fetched(facts)


def _source_row(facts: dict[str, Any]) -> tuple[str, ...]:
    accepted, share = f"{facts['accepted_count']:,}", f"{facts['yield']:.1%}"
    return facts["source"], *_counts(facts), accepted, share, _not_fetched(facts)


def _counts(facts: dict[str, Any]) -> tuple[str, str]:
    return f"{facts['found_count']:,}", f"{facts['fetched_count']:,}"


def _not_fetched(facts: dict[str, Any]) -> str:
    """The most frequent reasons with their counts."""
    counts = facts["outcome_counts"]
    shown = [f"{spoken(one['outcome_reason'])} {one['count']:,}" for one in counts[:_SHOWN_REASONS]]
    return ", ".join(shown) + (" …" if len(counts) > _SHOWN_REASONS else "")


async def _list_sources() -> list[dict[str, Any]]:
    async with CrawlerClient(addresses().crawler) as crawler:
        await crawler.require_reachable()
        return [source_yield_facts(source) for source in await crawler.list_source_yields()]


async def _list_hosts() -> list[dict[str, Any]]:
    async with CrawlerClient(addresses().crawler) as crawler:
        await crawler.require_reachable()
        return [host_facts(host) for host in await crawler.list_hosts()]
