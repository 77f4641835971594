"""`lodestone rejudge`: judges what is known again under another version of a profile."""

from __future__ import annotations

import asyncio
from typing import Annotated

import grpc
import typer

from lodestone.cli.crawl.showing import leave_crawl, start_and_show
from lodestone.cli.errors import CliError
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.rejudge.facts import rejudged_facts, summary_facts
from lodestone.cli.rejudge.view import RejudgeView
from lodestone.cli.running import PATIENCE_S, Patience, crawler_client
from lodestone.client import Backoff, CrawlerClient
from lodestone.crawler.v1.crawl_pb2 import Crawl
from lodestone.crawler.v1.crawler_service_pb2 import RejudgeSummary


def rejudge(
    *,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The profile that judges: `landscapes`, or `landscapes@3`."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave what is fetched again running; return at once.")
    ] = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Judge every known image again, from what was recorded of it.

    Nothing is fetched for that. What is newly accepted is kept if its bytes are here, and else fetched again by a
    crawl, which is watched as `lodestone crawl` does: Ctrl-C pauses it. What is kept stays kept. With `--json`: one
    object per image that changes, `{"summary": ...}`, and what a crawl prints.
    """
    output = Output(as_json=as_json)
    raise typer.Exit(asyncio.run(_rejudge(output, profile, dry_run=dry_run, detach=detach)))


async def _rejudge(output: Output, profile: str, *, dry_run: bool, detach: bool) -> int:
    patience = Patience("crawler", output.note)
    async with crawler_client(on_wait=patience.on_wait) as crawler:
        await crawler.require_reachable()
        summary = await _show(output, crawler, profile, dry_run=dry_run)
        if not summary.crawl_id:
            return 0
        begun = _begun(crawler, summary.crawl_id)
        if detach:
            leave_crawl(output, await begun)
            return 0
        return await start_and_show(output, crawler, patience, begun)


async def _begun(crawler: CrawlerClient, crawl_id: str) -> Crawl:
    """The crawl that fetches again. It is in the catalogue: a crawler that ends just then has it when it is back."""
    backoff, deadline_s = Backoff(), asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return await crawler.get_crawl(crawl_id)
        except grpc.aio.AioRpcError as error:
            gone = error.code() is grpc.StatusCode.UNAVAILABLE
            if not gone or asyncio.get_running_loop().time() > deadline_s:
                raise
        await asyncio.sleep(backoff.next_s())


async def _show(
    output: Output, crawler: CrawlerClient, profile: str, *, dry_run: bool
) -> RejudgeSummary:
    view = RejudgeView(output, dry_run=dry_run)
    async for event in crawler.rejudge_images(profile, dry_run=dry_run):
        if event.HasField("summary"):
            if output.as_json:
                output.object({"summary": summary_facts(event.summary) | {"dry_run": dry_run}})
            else:
                view.conclude(event.summary)
            return event.summary
        if output.as_json:
            output.object(rejudged_facts(event.image))
        else:
            view.changed(event.image)
    raise CliError("the crawler ended without a summary: run it again, which goes on")
