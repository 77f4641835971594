"""`lodestone crawls`: all crawls, and those of them paused, resumed and cancelled from anywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from lodestone.cli.facts import crawl_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.cli.words import count_of, minute_text, one_line, spoken, word
from lodestone.crawler.v1.crawl_pb2 import Crawl, CrawlState
from lodestone.image.v1.verdict_pb2 import VERDICT_ACCEPTED

IdArgument = Annotated[str, typer.Argument(metavar="CRAWL", help="The crawl's id.")]

_COLUMNS = (
    *("crawl", "state", "profile", ">found", ">settled", ">accepted", "created", "~sources"),
    "~reason",
)

app = typer.Typer(
    invoke_without_command=True,
    help="List the crawls, newest first; pause, resume or cancel one.\n\n"
    "`lodestone crawl --resume CRAWL` watches one.",
)


@app.callback()
def list_crawls(
    context: typer.Context, as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA
) -> None:
    """List the crawls, newest first: state, counts, sources, and why one waits, failed or was paused."""
    if context.invoked_subcommand is not None:
        return
    output = Output(as_json=as_json)
    found = ask_crawler(lambda crawler: crawler.list_crawls())
    if as_json:
        for crawl in found:
            output.object({"crawl": crawl_facts(crawl)})
    elif found:
        output.table(_COLUMNS, [_row(crawl) for crawl in found])
    else:
        output.text("no crawls yet: lodestone crawl SOURCE... --profile NAME")


@app.command()
def pause(
    crawl_id: IdArgument, as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA
) -> None:
    """Stop a crawl until it is resumed; what it has under way is ended first."""
    _say(as_json, ask_crawler(lambda crawler: crawler.pause_crawl(crawl_id)))


@app.command()
def resume(
    crawl_id: IdArgument, as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA
) -> None:
    """Let a paused crawl go on, without watching it."""
    _say(as_json, ask_crawler(lambda crawler: crawler.resume_crawl(crawl_id)))


@app.command()
def cancel(
    crawl_id: IdArgument, as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA
) -> None:
    """End a crawl for good; what it has kept stays."""
    _say(as_json, ask_crawler(lambda crawler: crawler.cancel_crawl(crawl_id)))


def _say(as_json: bool, crawl: Crawl) -> None:
    output = Output(as_json=as_json)
    if as_json:
        output.object({"crawl": crawl_facts(crawl)})
    else:
        output.text(f"crawl {crawl.crawl_id}: {spoken(word(CrawlState, crawl.state))}")


def _row(crawl: Crawl) -> tuple[str, ...]:
    counts = crawl.progress
    accepted = sum(one.count for one in counts.verdict_counts if one.verdict == VERDICT_ACCEPTED)
    return (
        crawl.crawl_id,
        spoken(word(CrawlState, crawl.state)),
        f"{crawl.profile_name}@{crawl.profile_version}",
        *(f"{count:,}" for count in (counts.found_count, counts.settled_count, accepted)),
        minute_text(crawl.create_time),
        _sources(list(crawl.sources)),
        one_line(crawl.state_reason),
    )


def _sources(uris: list[str]) -> str:
    """The first one, and how many there are besides."""
    first = one_line(uris[0]) if uris else ""
    return f"{first} and {count_of(len(uris) - 1, 'other')}" if len(uris) > 1 else first
