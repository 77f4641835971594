"""`lodestone export`: the kept images with all that is known of them, as files."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.cli.crawl.source import absolute_source
from lodestone.cli.image_files import shown
from lodestone.cli.moving.manifest import Manifest, ShardEntry, Terms
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, given_path
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, crawler_client
from lodestone.cli.words import count_of

_MEGABYTE = 1_000_000


def _time(text: str) -> str:
    """A day or a time, UTC unless it says otherwise, as RFC 3339."""
    if not text:
        return ""
    try:
        time = datetime.fromisoformat(text)
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        stamp = Timestamp()
        stamp.FromDatetime(aware.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no time: 2026-11-22, or 2026-11-22T10:00") from error
    return stamp.ToJsonString()


def export(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=given_path, metavar="DIR", help="Where to; a new folder, or an earlier export."
        ),
    ],
    *,
    kind: Annotated[
        Literal["folder", "webdataset", "parquet"],
        typer.Option("--format", help="Readable files; tar files; or Parquet files."),
    ] = "folder",
    profile: Annotated[
        str,
        typer.Option(metavar="NAME", help="Only what was kept for this profile, or version of it."),
    ] = "",
    source: Annotated[str, typer.Option(metavar="URI", help="Only what this source listed.")] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", callback=_time, help="Only what was kept then or later.")
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", callback=_time, help="Only what was kept before.")
    ] = "",
    without_bytes: Annotated[
        bool,
        typer.Option(
            "--without-bytes", help="Facts and embeddings alone (parquet); not to be imported."
        ),
    ] = False,
    shard_images: Annotated[int, typer.Option(min=1, help="Images in a shard, at most.")] = 1_000,
    shard_mb: Annotated[
        int, typer.Option(min=1, help="A shard ends with the image that reaches so many MB.")
    ] = 500,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Write the kept images with all that is known of them into a folder: a backup, or a set to learn from.

    The same command again goes on where it was broken off, and later adds what is new. `lodestone import` takes them
    into another Lodestone.
    """
    if without_bytes and kind != "parquet":
        raise typer.BadParameter("--without-bytes goes with --format parquet")
    terms = Terms(
        *(kind, profile, absolute_source(source) if source else "", since, until),
        with_bytes=not without_bytes,
        shard_images=shard_images,
        shard_bytes=shard_mb * _MEGABYTE,
    )
    raise typer.Exit(asyncio.run(_export(Output(as_json=as_json), folder, terms)))


async def _export(output: Output, path: Path, terms: Terms) -> int:
    from lodestone.cli.moving.export_folder import opened
    from lodestone.cli.moving.exporter import Exporter

    patience = Patience("crawler", output.note)

    def told(shard: ShardEntry) -> None:
        if output.as_json:
            output.object({"shard": asdict(shard)})

    async with crawler_client(on_wait=patience.on_wait) as crawler:
        await crawler.require_reachable()
        with opened(path, terms) as folder, output.progress() as progress:
            task = progress.add_task("exporting", total=None, counters="")
            exporter = Exporter(folder, told)
            async with patience.limit():
                await exporter.run(crawler, lambda count: progress.update(task, completed=count))
            everything = folder.all
    for digest, reason in everything.left_out.items():
        output.note(f"left out {digest[:12]}…: {reason}")
    left_out = len(everything.left_out)
    if output.as_json:
        summary = {
            "image_count": exporter.image_count,
            "left_out_count": left_out,
            "exported_count": everything.image_count,
            "shard_count": len(everything.shards),
        }
        output.object({"summary": summary})
    else:
        size = sum(shard.size_bytes for shard in everything.shards) / _MEGABYTE
        output.text(
            _done(exporter.image_count, everything)
            + (f", {left_out:,} left out, to be tried again next time" if left_out else "")
            + f"; {shown(path)} has {count_of(everything.image_count, 'image')} in "
            f"{count_of(len(everything.shards), 'shard')}, {size:,.1f} MB"
        )
    return 1 if left_out else 0


def _done(image_count: int, everything: Manifest) -> str:
    """What this process has written."""
    if image_count:
        return f"{count_of(image_count, 'image')} exported"
    if everything.image_count:
        return "nothing new"
    return "no image exported" if everything.left_out else "nothing to export"
