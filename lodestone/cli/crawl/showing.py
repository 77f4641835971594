"""Shows a crawl that runs on the crawler until it ends, or says how to look at it later."""

from __future__ import annotations

from collections.abc import Awaitable

from lodestone.cli.crawl.interruption import Interruption
from lodestone.cli.crawl.view import CrawlView
from lodestone.cli.crawl.watch import CrawlWatch
from lodestone.cli.facts import crawl_facts
from lodestone.cli.output import Output
from lodestone.cli.running import Patience
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.crawl_pb2 import Crawl


async def start_and_show(
    output: Output, crawler: CrawlerClient, patience: Patience, start: Awaitable[Crawl]
) -> int:
    """Starts a crawl and watches it from where it stands; Ctrl-C pauses it, from the start on. Returns the exit status.

    Raises:
        CliError: It failed, was cancelled, or somebody else paused it; or the crawler stayed away.
    """
    interruption = Interruption()
    with interruption.heard():
        crawl = await start
        view = CrawlView(output, crawl)
        with view:
            ended = await CrawlWatch(crawler, patience, crawl, interruption).until_end(view)
    return view.conclude(ended, paused_by_us=interruption.is_asked)


def leave_crawl(output: Output, crawl: Crawl) -> None:
    """Says how to watch a crawl that goes on by itself."""
    if output.as_json:
        output.object({"crawl": crawl_facts(crawl)})
    else:
        output.text(f"crawl {crawl.crawl_id} runs on the crawler")
        output.text(f"watch it with: lodestone crawl --resume {crawl.crawl_id}")
        output.text(f"pause it with: lodestone crawls pause {crawl.crawl_id}")
