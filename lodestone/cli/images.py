"""`lodestone images`: what was kept."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from lodestone.cli.errors import WrongUsage
from lodestone.cli.facts import kept_image_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import addresses
from lodestone.client import CrawlerClient

app = typer.Typer(no_args_is_help=True, help="Look at what was kept.")


@app.callback()
def _images() -> None:
    """Look at what was kept."""


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
    rows = asyncio.run(_list(output, profile))
    if as_json:
        return
    if rows:
        columns = ("~file", "profile", ">size", ">nats", "~source", "accepted")
        output.table(columns, rows)
        kept = data / "kept"
        output.text(f"{len(rows):,} kept" + (f", as files under {kept}" if kept.is_dir() else ""))
    else:
        output.text("nothing kept yet")


async def _list(output: Output, profile: str) -> list[tuple[str, ...]]:
    """Prints JSON as it comes; a table needs all of its rows."""
    rows = []
    async with CrawlerClient(addresses().crawler) as crawler:
        await crawler.require_reachable()
        async for image in crawler.list_images(profile):
            facts = kept_image_facts(image)
            if output.as_json:
                output.object(facts)
            else:
                rows.append(_row(facts))
    return rows


def _row(facts: dict[str, Any]) -> tuple[str, ...]:
    score = facts["log_likelihood"]
    return (
        facts["file_name"],
        f"{facts['profile_name']}@{facts['profile_version']}",
        f"{facts['width_px']}×{facts['height_px']}",
        "" if score is None else f"{score:,.2f}",
        facts["source"],
        facts["accept_time"][:16].replace("T", " "),
    )
