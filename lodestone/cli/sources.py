"""`lodestone sources`: what sources, communities and hosts have given, the kinds that there are, and proposals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from lodestone.cli.errors import WrongUsage
from lodestone.cli.facts import host_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.cli.source_facts import kind_facts, proposal_facts, source_yield_facts
from lodestone.cli.words import spoken
from lodestone.client import CrawlerClient

Facts = dict[str, Any]

_SHOWN_REASONS = 3
_TOP = 25
_HOST_COLUMNS = ("~host", ">found", ">fetched", "~not fetched")
_YIELD_COLUMNS = (
    *("~source", ">found", ">received", ">decoded", ">new", ">on profile", ">clean"),
    *(">accepted", ">yield", ">MB each", ">s each", "~not fetched"),
)
_TOP_COLUMNS = ("~source", ">accepted", ">fetched", ">yield")
_KIND_COLUMNS = ("kind", "~what it lists", "~how it is written", "~here")


def sources(
    hosts: Annotated[
        bool, typer.Option("--hosts", help="List the hosts instead, most listings first.")
    ] = False,
    top: Annotated[
        bool,
        typer.Option(
            "--top", help="The 25 places that gave most: communities, where a source has them."
        ),
    ] = False,
    available: Annotated[
        bool, typer.Option("--available", help="List the kinds of sources, and what each needs.")
    ] = False,
    discover: Annotated[
        bool,
        typer.Option("--discover", help="Propose sources that the accepted pictures speak for."),
    ] = False,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="With --discover: by what was kept for it.")
    ] = "",
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """List the sources crawled so far, best yield (accepted ÷ fetched) first.

    The columns narrow from one to the next: found, received (bytes came), decoded, new (no duplicate), on profile,
    clean (no watermark). MB and s are what each accepted picture cost, waits for hosts' turns included.
    """
    if sum((hosts, top, available, discover)) > 1:
        raise WrongUsage(
            "--hosts, --top, --available and --discover are lists of their own: choose one"
        )
    if profile and not discover:
        raise WrongUsage("--profile goes with --discover")
    output = Output(as_json=as_json)
    if hosts:
        _show(output, _list_hosts, _HOST_COLUMNS, _host_row)
    elif top:
        _show(output, _list_top, _TOP_COLUMNS, _top_row)
    elif available:
        _show(output, _list_kinds, _KIND_COLUMNS, _kind_row)
    elif discover:
        _discover(output, profile)
    else:
        _show(output, _list_sources, _YIELD_COLUMNS, _yield_row)


def _show(
    output: Output,
    find: Callable[[CrawlerClient], Awaitable[list[Facts]]],
    columns: tuple[str, ...],
    row: Callable[[Facts], tuple[str, ...]],
) -> None:
    found = ask_crawler(find)
    if output.as_json:
        for facts in found:
            output.object(facts)
    elif not found:
        output.text("no sources yet: crawl one with `lodestone crawl SOURCE --profile NAME`")
    else:
        output.table(columns, [row(facts) for facts in found])


def _discover(output: Output, profile: str) -> None:
    async def find(crawler: CrawlerClient) -> list[Facts]:
        return [proposal_facts(one) for one in await crawler.discover_sources(profile)]

    found = ask_crawler(find)
    for facts in found:
        if output.as_json:
            output.object(facts)
            continue
        output.text(f"{facts['uri']}: {facts['evidence']}")
        for url in facts["page_urls"]:
            output.text(f"    {url}")
    if output.as_json:
        return
    if found:
        output.text(
            f"add one with: lodestone crawl {found[0]['uri']} --profile {profile or 'NAME'}, or "
            f"lodestone crawl {found[0]['uri']} --add-to ID"
        )
    else:
        output.text("nothing to propose yet: no accepted picture leads to a source that is new")


async def _list_sources(crawler: CrawlerClient) -> list[Facts]:
    return [source_yield_facts(source) for source in await crawler.list_source_yields()]


async def _list_top(crawler: CrawlerClient) -> list[Facts]:
    """Communities, and the sources that have none, by accepted pictures."""
    communities = await crawler.list_source_yields(by_community=True)
    found = communities or await crawler.list_source_yields()
    best = sorted(found, key=lambda one: (-one.accepted_count, one.source))
    return [source_yield_facts(one) for one in best[:_TOP] if one.accepted_count]


async def _list_hosts(crawler: CrawlerClient) -> list[Facts]:
    return [host_facts(host) for host in await crawler.list_hosts()]


async def _list_kinds(crawler: CrawlerClient) -> list[Facts]:
    return [kind_facts(kind) for kind in await crawler.list_source_kinds()]


def _host_row(facts: Facts) -> tuple[str, ...]:
    counts = f"{facts['found_count']:,}", f"{facts['fetched_count']:,}"
    return facts["host"] or "local files", *counts, _not_fetched(facts)


def _yield_row(facts: Facts) -> tuple[str, ...]:
    names = ("found", "received", "decoded", "new", "on_profile", "clean", "accepted")
    counts = (f"{facts[f'{name}_count']:,}" for name in names)
    costs = f"{facts['bytes_per_accepted'] / 1e6:.1f}", f"{facts['seconds_per_accepted']:.1f}"
    shown = costs if facts["accepted_count"] else ("", "")
    return facts["source"], *counts, f"{facts['yield']:.1%}", *shown, _not_fetched(facts)


def _top_row(facts: Facts) -> tuple[str, ...]:
    counts = f"{facts['accepted_count']:,}", f"{facts['fetched_count']:,}"
    return facts["source"], *counts, f"{facts['yield']:.1%}"


def _kind_row(facts: Facts) -> tuple[str, ...]:
    return facts["word"], facts["summary"], ", ".join(facts["forms"]), facts["obstacle"] or "ready"


def _not_fetched(facts: Facts) -> str:
    """The most frequent reasons with their counts."""
    counts = facts["outcome_counts"]
    shown = [f"{spoken(one['outcome_reason'])} {one['count']:,}" for one in counts[:_SHOWN_REASONS]]
    return ", ".join(shown) + (" …" if len(counts) > _SHOWN_REASONS else "")
