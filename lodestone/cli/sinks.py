"""`lodestone sinks`: where kept images are delivered to, and how that goes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.cli.words import count_of, minute_text, spoken, word
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.sink_pb2 import Sink, SinkState

NameArgument = Annotated[str, typer.Argument(metavar="SINK", help="Its name in the settings.")]

_COLUMNS = (
    *("sink", "kind", "state", ">pending", ">delivered", ">refused", "waiting since"),
    "~last error",
)

app = typer.Typer(
    invoke_without_command=True,
    help="Say where kept images are delivered to, and how that goes.\n\n"
    "Sinks are settings of the crawler: LODESTONE_CRAWLER_SINKS.",
)


@app.callback()
def list_sinks(
    context: typer.Context, as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA
) -> None:
    """List the sinks: what is pending, delivered, refused, and the last error."""
    if context.invoked_subcommand is not None:
        return
    output = Output(as_json=as_json)
    found = ask_crawler(lambda crawler: crawler.list_sinks())
    if as_json:
        for sink in found:
            output.object(_facts(sink))
    elif found:
        output.table(_COLUMNS, [_row(sink) for sink in found])
        if any(sink.refused_count for sink in found):
            output.text("what was refused is tried again with: lodestone sinks retry SINK")
    else:
        output.text("no sinks: name some in LODESTONE_CRAWLER_SINKS and start the crawler again")


@app.command()
def retry(
    name: NameArgument, as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA
) -> None:
    """Try a sink again at once: all that it refused, and itself if it was stopped."""
    pending, refused = ask_crawler(lambda crawler: _retry(crawler, name))
    text = f"{name}: tried again at once: {count_of(pending, 'image')} pending"
    text += f", {refused:,} of them refused before" if refused else ""
    facts = {"sink": name, "pending_count": pending, "retried_count": refused}
    _say(as_json, facts, text)


@app.command()
def backfill(
    name: NameArgument, as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA
) -> None:
    """Deliver all that was kept before a sink was there, too; what it has it does not get again."""
    count = ask_crawler(lambda crawler: crawler.backfill_sink(name))
    text = f"{name}: {count_of(count, 'image')} more to deliver"
    _say(as_json, {"sink": name, "added_count": count}, text)


async def _retry(crawler: CrawlerClient, name: str) -> tuple[int, int]:
    """(all that is tried again, what of it was refused)."""
    waiting = sum(one.pending_count for one in await crawler.list_sinks() if one.name == name)
    refused = await crawler.retry_sink(name)
    return waiting + refused, refused


def _say(as_json: bool, facts: dict[str, Any], text: str) -> None:
    output = Output(as_json=as_json)
    if as_json:
        output.object(facts)
    else:
        output.text(text)


def _facts(sink: Sink) -> dict[str, Any]:
    oldest, failed = sink.oldest_pending_time, sink.last_error_time
    return {
        "sink": sink.name,
        "kind": sink.kind,
        "state": word(SinkState, sink.state),
        "waiting_for": sink.waiting_for,
        "pending_count": sink.pending_count,
        "delivered_count": sink.delivered_count,
        "refused_count": sink.refused_count,
        "oldest_pending_time": oldest.ToJsonString() if _has_oldest(sink) else None,
        "last_error": sink.last_error,
        "last_error_time": failed.ToJsonString() if sink.HasField("last_error_time") else None,
    }


def _row(sink: Sink) -> tuple[str, ...]:
    counts = (sink.pending_count, sink.delivered_count, sink.refused_count)
    return (
        sink.name,
        sink.kind,
        spoken(word(SinkState, sink.state)),
        *(f"{count:,}" for count in counts),
        minute_text(sink.oldest_pending_time) if _has_oldest(sink) else "",
        _last_error(sink) if sink.pending_count or sink.refused_count else "",
    )


def _last_error(sink: Sink) -> str:
    """With its time: it may be long past."""
    if not sink.HasField("last_error_time"):
        return sink.last_error
    return f"{minute_text(sink.last_error_time)}: {sink.last_error}"


def _has_oldest(sink: Sink) -> bool:
    return sink.HasField("oldest_pending_time")
