"""`lodestone prioritise`: shows and changes what a crawl does first."""

from __future__ import annotations

from typing import Annotated

import typer

from lodestone.cli.crawl.source import absolute_source
from lodestone.cli.errors import WrongUsage
from lodestone.cli.facts import crawl_facts
from lodestone.cli.options import (
    DEFAULT_DATA,
    PRIORITY_MAX,
    PRIORITY_MIN,
    DataOption,
    JsonOption,
)
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.crawl_pb2 import Crawl


def prioritise(
    crawl_id: Annotated[str, typer.Argument(metavar="CRAWL", help="The crawl's id.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...", show_default=False, help="Sources of it; none is all that it has."
        ),
    ] = None,
    *,
    to: Annotated[
        int | None,
        typer.Option(
            "--to",
            metavar="N",
            min=PRIORITY_MIN,
            max=PRIORITY_MAX,
            show_default=False,
            help="The priority, -100 to 100; 0 is what sources have by default. Without it nothing is changed.",
        ),
    ] = None,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Show or change the priorities of a crawl's sources: what a higher one lists is fetched first.

    It holds from the next listings on that are taken in hand. A crawl whose sources all have a higher priority than
    another's goes before that one, too: at hosts that both ask, and when there is more to do than workers.
    """
    if sources and to is None:
        raise WrongUsage("SOURCE... goes with --to N; without both, all priorities are shown")
    output = Output(as_json=as_json)
    named = [absolute_source(one) for one in sources or ()]
    crawl = ask_crawler(lambda crawler: _prioritise(crawler, crawl_id, to, named))
    if as_json:
        output.object({"crawl": crawl_facts(crawl)})
        return
    sources_now = sorted(
        (one.source for one in crawl.source_statuses), key=lambda source: -source.priority
    )
    output.table(("~source", ">priority"), [(one.uri, str(one.priority)) for one in sources_now])


async def _prioritise(
    crawler: CrawlerClient, crawl_id: str, priority: int | None, sources: list[str]
) -> Crawl:
    if priority is None:
        return await crawler.get_crawl(crawl_id)
    return await crawler.set_crawl_priority(crawl_id, priority, sources)
