"""`lodestone images`: what was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lodestone.cli.errors import WrongUsage
from lodestone.cli.facts import kept_image_facts
from lodestone.cli.image_show import show
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.client import CrawlerClient

app = typer.Typer(no_args_is_help=True, help="Look at what was kept.")
app.command()(show)


@app.command("list")
def list_images(
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Only what was kept for this profile, any version.")
    ] = "",
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """List the kept images, oldest first."""
    if "@" in profile:
        raise WrongUsage(f"--profile takes a name without a version, not {profile!r}")
    output = Output(as_json=as_json)
    rows = ask_crawler(lambda crawler: _list(crawler, output, profile))
    if as_json:
        return
    if rows:
        columns = ("~file", "profile", ">size", ">nats", "~source", "accepted")
        output.table(columns, [row for row, _ in rows])
        output.text(_summary([state for _, state in rows], data / "kept"))
    else:
        output.text("nothing kept yet")


async def _list(
    crawler: CrawlerClient, output: Output, profile: str
) -> list[tuple[tuple[str, ...], str]]:
    """Prints JSON as it comes; a table needs all of its rows."""
    rows = []
    async for answer in crawler.list_images(profile):
        facts = kept_image_facts(answer.image)
        if output.as_json:
            output.object(facts)
        else:
            rows.append((_row(facts), facts["file_state"]))
    return rows


def _summary(states: list[str], kept: Path) -> str:
    removed, lost = states.count("REMOVED"), states.count("LOST")
    text = f"{len(states):,} kept" + (f", as files under {kept}" if kept.is_dir() else "")
    if removed:
        text += f"; {removed:,} of them removed there by hand, which is respected"
    if lost:
        text += f"; the stored bytes of {lost:,} are gone: `lodestone verify` says what to do"
    return text


def _row(facts: dict[str, Any]) -> tuple[str, ...]:
    score, state = facts["log_likelihood"], facts["file_state"]
    mark = "" if state == "PRESENT" else f"{state.lower()}: "
    return (
        mark + facts["file_name"],
        f"{facts['profile_name']}@{facts['profile_version']}",
        f"{facts['width_px']}×{facts['height_px']}",
        "" if score is None else f"{score:,.2f}",
        facts["source"],
        facts["accept_time"][:16].replace("T", " "),
    )
