"""`lodestone crawl`: create a crawl and watch it, pause it with Ctrl-C, resume it."""

from __future__ import annotations

import asyncio

import typer

from lodestone.cli.crawl.options import (
    AddToOption,
    AllowOver18Option,
    CrawlProfileOption,
    DenyAuthorsOption,
    DenyFlairsOption,
    DenySpoilersOption,
    DenyTitlesOption,
    DetachOption,
    FollowOption,
    LicencesOption,
    MaxAcceptedOption,
    MaxListingsOption,
    PollOption,
    RequireFlairsOption,
    RequireTitlesOption,
    ResumeOption,
    SourcesArgument,
)
from lodestone.cli.crawl.showing import leave_crawl, start_and_show
from lodestone.cli.crawl.source import interval
from lodestone.cli.crawl.wish import CrawlRequest, CrawlWish
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, PriorityOption
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, crawler_client
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.crawl_pb2 import Crawl, CrawlLimits
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource, PostRules
from lodestone.crawler.v1.crawler_service_pb2 import AddCrawlSourcesRequest, ResumeCrawlRequest


def crawl(
    sources: SourcesArgument = None,
    *,
    profile: CrawlProfileOption = "",
    resume: ResumeOption = "",
    add_to: AddToOption = "",
    follow: FollowOption = False,
    poll: PollOption = 0.0,
    priority: PriorityOption = 0,
    licences: LicencesOption = None,
    deny_authors: DenyAuthorsOption = None,
    deny_titles: DenyTitlesOption = None,
    require_titles: RequireTitlesOption = None,
    deny_flairs: DenyFlairsOption = None,
    require_flairs: RequireFlairsOption = None,
    allow_over_18: AllowOver18Option = False,
    deny_spoilers: DenySpoilersOption = False,
    max_listings: MaxListingsOption = 0,
    max_accepted: MaxAcceptedOption = 0,
    detach: DetachOption = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Mine sources for new pictures that fit a profile, and show it happening.

    Ctrl-C pauses the crawl and says how to resume it; `lodestone crawls` lists all of them. With `--json`:
    `{"crawl": ...}` as it begins, one object per listing as it is settled, and `{"crawl": ...}` with the counts at the
    end. The exit status is 0 when the crawl has completed.
    """
    limits = CrawlLimits(max_listings=max_listings, max_accepted=max_accepted)
    wish = CrawlWish(sources or (), profile, resume, add_to, limits)
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
    request = wish.request(defaults)
    raise typer.Exit(asyncio.run(_crawl(Output(as_json=as_json), request, detach=detach)))


async def _crawl(output: Output, request: CrawlRequest, *, detach: bool) -> int:
    patience = Patience("crawler", output.note)
    async with crawler_client(on_wait=patience.on_wait) as crawler:
        await crawler.require_reachable()
        starting = _start(crawler, request)
        if detach:
            leave_crawl(output, await starting)
            return 0
        return await start_and_show(output, crawler, patience, starting)


async def _start(crawler: CrawlerClient, request: CrawlRequest) -> Crawl:
    if isinstance(request, ResumeCrawlRequest):
        return await crawler.resume_crawl(request.crawl_id)
    if isinstance(request, AddCrawlSourcesRequest):
        return await crawler.add_crawl_sources(request.crawl_id, request.crawl_sources)
    return await crawler.create_crawl(request)
