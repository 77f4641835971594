"""`lodestone crawl`: create a crawl and watch it, pause it with Ctrl-C, resume it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, TypeAlias

import typer

from lodestone.cli.crawl.showing import leave_crawl, start_and_show
from lodestone.cli.crawl.source import chosen_sources, interval
from lodestone.cli.errors import WrongUsage
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, PriorityOption
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, crawler_client
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.crawl_pb2 import Crawl, CrawlLimits
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource, PostRules
from lodestone.crawler.v1.crawler_service_pb2 import (
    AddCrawlSourcesRequest,
    CreateCrawlRequest,
    ResumeCrawlRequest,
)

_Which: TypeAlias = CreateCrawlRequest | ResumeCrawlRequest | AddCrawlSourcesRequest


def crawl(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            show_default=False,
            help="`commons:Category:NAME`, a folder, a file of URLs, a page and so on; `lodestone sources "
            "--available` lists all kinds. A `.toml` file stands for the sources that it describes.",
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
    add_to: Annotated[
        str, typer.Option(metavar="ID", help="Add the sources to this crawl instead of a new one.")
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Look again and again for what is new, until paused.")
    ] = False,
    poll: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Wait so long between two looks; 0 is what suits."
        ),
    ] = 0.0,
    priority: PriorityOption = 0,
    licences: Annotated[
        list[str] | None,
        typer.Option("--licence", help="Only these licences: `cc0`, `cc-by`, `cc-by-sa-4.0`, …"),
    ] = None,
    deny_authors: Annotated[
        list[str] | None, typer.Option("--deny-author", help="Nothing by this author.")
    ] = None,
    deny_titles: Annotated[
        list[str] | None,
        typer.Option("--deny-title", metavar="REGEX", help="Nothing with such a title."),
    ] = None,
    require_titles: Annotated[
        list[str] | None,
        typer.Option("--require-title", metavar="REGEX", help="Only with such a title."),
    ] = None,
    deny_flairs: Annotated[
        list[str] | None,
        typer.Option("--deny-flair", metavar="REGEX", help="Nothing with such a flair."),
    ] = None,
    require_flairs: Annotated[
        list[str] | None,
        typer.Option("--require-flair", metavar="REGEX", help="Only with such a flair."),
    ] = None,
    allow_over_18: Annotated[
        bool, typer.Option("--allow-over-18", help="Posts for adults as well.")
    ] = False,
    deny_spoilers: Annotated[
        bool, typer.Option("--deny-spoilers", help="No posts marked as spoilers.")
    ] = False,
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

    Ctrl-C pauses the crawl and says how to resume it; `lodestone crawls` lists all of them. With `--json`:
    `{"crawl": ...}` as it begins, one object per listing as it is settled, and `{"crawl": ...}` with the counts at the
    end. The exit status is 0 when the crawl has completed.
    """
    output = Output(as_json=as_json)
    limits = CrawlLimits(max_listings=max_listings, max_accepted=max_accepted)
    if resume and (sources or profile or add_to or max_listings or max_accepted):
        raise WrongUsage("--resume ID takes no sources, profile or limits: the crawl has its own")
    if add_to and (profile or max_listings or max_accepted or not sources):
        raise WrongUsage(
            "--add-to ID takes SOURCE..., and no profile or limits: the crawl has them"
        )
    if not resume and not add_to and not (sources and profile):
        raise WrongUsage("a crawl needs SOURCE... and --profile NAME (or --resume ID)")
    rules = PostRules(
        allow_over_18=allow_over_18,
        deny_spoilers=deny_spoilers,
        deny_authors=deny_authors,
        licences=licences,
        deny_titles=deny_titles,
        require_titles=require_titles,
        deny_flairs=deny_flairs,
        require_flairs=require_flairs,
    )
    defaults = CrawlSource(follow=follow, rules=rules, priority=priority)
    if poll:
        defaults.poll_interval.CopyFrom(interval(poll))
    chosen = chosen_sources(sources or (), defaults)
    if add_to:
        which: _Which = AddCrawlSourcesRequest(crawl_id=add_to, crawl_sources=chosen)
    elif resume:
        which = ResumeCrawlRequest(crawl_id=resume)
    else:
        which = CreateCrawlRequest(
            request_id=str(uuid.uuid4()), crawl_sources=chosen, profile=profile, limits=limits
        )
    raise typer.Exit(asyncio.run(_crawl(output, which, detach=detach)))


async def _crawl(output: Output, which: _Which, *, detach: bool) -> int:
    patience = Patience("crawler", output.note)
    async with crawler_client(on_wait=patience.on_wait) as crawler:
        await crawler.require_reachable()
        starting = _start(crawler, which)
        if detach:
            leave_crawl(output, await starting)
            return 0
        return await start_and_show(output, crawler, patience, starting)


async def _start(crawler: CrawlerClient, which: _Which) -> Crawl:
    if isinstance(which, ResumeCrawlRequest):
        return await crawler.resume_crawl(which.crawl_id)
    if isinstance(which, AddCrawlSourcesRequest):
        return await crawler.add_crawl_sources(which.crawl_id, which.crawl_sources)
    return await crawler.create_crawl(which)
