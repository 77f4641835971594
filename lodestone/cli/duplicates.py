"""`lodestone duplicates`: what given files would be duplicates of, and what a person says of that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lodestone.cli.distinct_pairs import say_distinct
from lodestone.cli.errors import WrongUsage
from lodestone.cli.image_files import Unreadable, expand, read_image, shown
from lodestone.cli.image_place import name_place
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, given_path
from lodestone.cli.output import Output
from lodestone.cli.running import crawler_client, ordered_map
from lodestone.cli.words import spoken, word
from lodestone.crawler.v1.duplicate_image_pb2 import (
    DuplicateImage,
    DuplicateMemory,
    DuplicateReport,
)
from lodestone.crawler.v1.kept_image_pb2 import FileState, KeptImage
from lodestone.image.v1.rejection_pb2 import RejectionCode

_IN_FLIGHT = 16
_COLUMNS = (
    "~path",
    "~found",
    "which was",
    ">bits of 64",
    ">bits of 256",
    "turned",
    "~came from",
)


def duplicates(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=given_path, metavar="FILE_OR_DIR...", help="Images, or folders of them."
        ),
    ] = None,
    not_duplicate: Annotated[
        bool,
        typer.Option(
            "--not-duplicate",
            help="Say that two images, files or digests, are no duplicates of each other; of none, list what was said.",
        ),
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="With --not-duplicate: take it back.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Say which images a crawl would take these for, and store nothing.

    A crawl keeps no image that is nearly the same picture as one that was kept, or purged, or is marked as seen under
    its profile's name, as liked photos are: at most 8 bits of their 64-bit and 60 of their 256-bit perceptual hashes
    differ. The mirror image counts too. Of a flat picture, one without structure, only the same bytes are a duplicate.
    A better copy takes the place of a kept image all the same.

    With --not-duplicate the word of a person is stored: what was rejected for the other is judged again.
    """
    output = Output(as_json=as_json)
    if undo and not not_duplicate:
        raise WrongUsage("--undo goes with --not-duplicate")
    if not_duplicate:
        say_distinct(output, paths or (), undo=undo)
        return
    if not paths:
        raise WrongUsage("give images, or folders of them")
    asyncio.run(_find(output, list(expand(paths)), data))


async def _find(output: Output, paths: list[Path], data: Path) -> None:
    async with crawler_client() as crawler:
        await crawler.require_reachable()

        async def look_up(path: Path) -> dict[str, Any]:
            image = await read_image(path)
            if isinstance(image, Unreadable):
                return {"verdict": image.verdict, "reason": image.reason}
            answer = await crawler.find_duplicates(image)
            if answer.HasField("rejection"):
                code = word(RejectionCode, answer.rejection.code)
                return {"verdict": code, "reason": answer.rejection.reason}
            return _facts(answer.value, data)

        rows: list[tuple[str, ...]] = []
        with output.progress() as progress:
            task = progress.add_task("looking up", total=len(paths), counters="")
            async for path, facts in ordered_map(paths, look_up, limit=_IN_FLIGHT):
                progress.advance(task)
                if output.as_json:
                    output.object({"path": str(path), **facts})
                rows += _rows(path, facts)
    if not output.as_json:
        output.table(_COLUMNS, rows)


def _facts(report: DuplicateReport, data: Path) -> dict[str, Any]:
    return {
        "digest": report.digest,
        "perceptual_hash": report.perceptual_hash,
        "flat": report.flat,
        "width_px": report.width_px,
        "height_px": report.height_px,
        "duplicates": [_duplicate_facts(one, data) for one in report.duplicates],
    }


def _duplicate_facts(duplicate: DuplicateImage, data: Path) -> dict[str, Any]:
    return {
        "digest": duplicate.digest,
        "memory": word(DuplicateMemory, duplicate.memory),
        "profile_name": duplicate.profile_name,
        "distance_64": duplicate.distance_64,
        "distance_256": duplicate.distance_256,
        "mirrored": duplicate.mirrored,
        "kept": [_kept_facts(image, data) for image in duplicate.kept_images],
    }


def _kept_facts(image: KeptImage, data: Path) -> dict[str, Any]:
    listing, profile_name = image.listing, image.judgement.profile_name
    return {
        "profile_name": profile_name,
        "file_name": image.file_name,
        "file_state": word(FileState, image.file_state),
        "file": name_place(image, data),
        "source": listing.source,
        "url": listing.url,
        "page_url": listing.page_url,
        "title": listing.title,
        "accept_time": image.accept_time.ToJsonString(),
    }


def _rows(path: Path, facts: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row for each pair; one that says so for a file without any."""
    if "duplicates" not in facts:
        yield (shown(path), f"{spoken(facts['verdict'])}: {facts['reason']}", "", "", "", "", "")
        return
    for found in facts["duplicates"]:
        kept = next(iter(found["kept"]), None) or {"file": None, "url": ""}
        yield (
            shown(path),
            kept["file"] or found["digest"][:12],
            _remembered(found),
            str(found["distance_64"]),
            str(found["distance_256"]),
            "mirrored" if found["mirrored"] else "",
            kept["url"],
        )
    if not facts["duplicates"]:
        flat = ", it is flat" if facts["flat"] else ""
        yield (shown(path), f"nothing known{flat}", "", "", "", "", "")


def _remembered(found: dict[str, Any]) -> str:
    names = [kept["profile_name"] for kept in found["kept"]] or [found["profile_name"]]
    named = f" for {', '.join(names)}" if any(names) else ""
    return f"{spoken(found['memory'])}{named}"
