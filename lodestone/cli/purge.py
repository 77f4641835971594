"""`lodestone purge`: removes kept images for good."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lodestone.cli.errors import CliError, WrongUsage
from lodestone.cli.facts import purged_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.client import CrawlerClient
from lodestone.crawler.v1 import crawler_service_pb2 as pb


def purge(
    digest: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHA256",
            help="An image by its digest, or the first 8 or more digits of it; may be repeated.",
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="What this address, or this page, showed.")] = "",
    source: Annotated[str, typer.Option(help="What this source listed.")] = "",
    host: Annotated[str, typer.Option(help="What this host showed.")] = "",
    author: Annotated[str, typer.Option(help="What this author made, as the source says.")] = "",
    gone: Annotated[
        bool,
        typer.Option(
            help="Only what its host has deleted or opted out of since; asks each host again."
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    dry_run: Annotated[
        bool, typer.Option(help="Say what would be removed, and remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Remove kept images for good: bytes, names, scores, titles, authors.

    Their hash and address stay, so that they are never kept or asked for again. What several options name must match
    all of them. A better copy goes with what it has replaced, whichever of the two is named.
    """
    if not gone and not any((digest, url, source, host, author)):
        raise WrongUsage("name --digest, --url, --source, --host or --author, or ask for --gone")
    request = pb.PurgeImagesRequest(
        digests=[one.lower() for one in digest or ()],
        url=url,
        source=source,
        host=host,
        author=author,
        gone=gone,
        dry_run=True,
        reason=reason,
    )
    output = Output(as_json=as_json)
    if not dry_run and not yes:
        _confirm(output, request)
    request.dry_run = dry_run
    rows = ask_crawler(lambda crawler: _purge(crawler, output, request))
    if not as_json:
        _show(output, rows)
        word = "would be removed" if dry_run else "removed for good"
        output.text(f"{len(rows):,} {word}" if rows else "nothing that is kept matches")


def _confirm(output: Output, request: pb.PurgeImagesRequest) -> None:
    if not sys.stdin.isatty() or output.as_json:
        raise CliError("nothing was removed: add --yes, or --dry-run to see what would be")
    rows = ask_crawler(lambda crawler: _purge(crawler, Output(as_json=False), request))
    _show(output, rows)
    if not rows or not typer.confirm(f"Remove {len(rows):,} for good?", err=True):
        raise typer.Exit(0 if not rows else 1)


async def _purge(
    crawler: CrawlerClient, output: Output, request: pb.PurgeImagesRequest
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    async for image in crawler.purge_images(request):
        facts = purged_facts(image)
        if output.as_json:
            output.object(facts | {"dry_run": request.dry_run})
        rows.append((facts["digest"][:12], facts["url"], facts["reason"]))
    return rows


def _show(output: Output, rows: list[tuple[str, ...]]) -> None:
    if rows:
        output.table(("digest", "~url", "~reason"), rows)
