"""`lodestone crawl`: create a crawl and watch it, pause it with Ctrl-C, resume it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated

import typer

from lodestone.cli.crawl_source import absolute_source
from lodestone.cli.crawl_view import CrawlView
from lodestone.cli.crawl_watch import CrawlWatch
from lodestone.cli.errors import WrongUsage
from lodestone.cli.facts import crawl_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, addresses
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.crawl_pb2 import Crawl, CrawlLimits
from lodestone.crawler.v1.crawler_service_pb2 import CreateCrawlRequest


def crawl(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            show_default=False,
            help="A folder, a file of URLs (txt, csv, jsonl, parquet) or a page: a path or a URL, or "
            "`folder:PATH`, `urls:PATH`, `page:URL`.",
        ),
    ] = None,
    *,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The profile that decides: `landscapes`, or `landscapes@3`."
        ),
    ] = "",
    resume: Annotated[
        str, typer.Option(metavar="ID", help="Go on with this crawl, or watch it if it runs.")
    ] = "",
    max_listings: Annotated[
        int, typer.Option(min=0, help="Stop after so many listings; 0 is no limit.")
    ] = 0,
    max_accepted: Annotated[
        int, typer.Option(min=0, help="Stop after so many accepted images; 0 is no limit.")
    ] = 0,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave it running and return at once.")
    ] = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Mine sources for new pictures that fit a profile, and show it happening.

    Ctrl-C pauses the crawl and says how to resume it. With `--json`: one object per listing as it is settled, and
    `{"crawl": ...}` with the counts at the end. The exit status is 0 when the crawl has completed.
    """
    output = Output(as_json=as_json)
    if resume and (sources or profile or max_listings or max_accepted):
        raise WrongUsage("--resume ID takes no sources, profile or limits: the crawl has its own")
    if not resume and not (sources and profile):
        raise WrongUsage("a crawl needs SOURCE... and --profile NAME (or --resume ID)")
    request = CreateCrawlRequest(
        request_id=str(uuid.uuid4()),
        sources=[absolute_source(source) for source in sources or ()],
        profile=profile,
        limits=CrawlLimits(max_listings=max_listings, max_accepted=max_accepted),
    )
    status = asyncio.run(_crawl(output, resume or request, detach=detach))
    raise typer.Exit(status)


async def _crawl(output: Output, which: CreateCrawlRequest | str, *, detach: bool) -> int:
    patience = Patience("crawler", output.note)
    async with CrawlerClient(addresses().crawler, on_wait=patience.on_wait) as crawler:
        await crawler.require_reachable()
        if isinstance(which, str):
            started = await crawler.resume_crawl(which)
        else:
            started = await crawler.create_crawl(which)
        if detach:
            _say_detached(output, started)
            return 0
        view = CrawlView(output, started)
        with view:
            watch = CrawlWatch(crawler, patience, started)
            ended = await watch.until_end(view)
        return view.conclude(ended, paused_by_us=watch.interrupted)


def _say_detached(output: Output, crawl: Crawl) -> None:
    if output.as_json:
        output.object({"crawl": crawl_facts(crawl)})
    else:
        output.text(f"crawl {crawl.crawl_id} runs on the crawler")
        output.text(f"watch it with: lodestone crawl --resume {crawl.crawl_id}")
