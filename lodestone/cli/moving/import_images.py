"""`lodestone import`: takes an export into the store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from lodestone.cli.moving.found_row import FoundRow, Refused
from lodestone.cli.moving.manifest import Manifest
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, given_path
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, crawler_client, ordered_map
from lodestone.cli.words import count_of, spoken, word
from lodestone.client import CrawlerClient
from lodestone.client.message_limit import MessageTooLarge
from lodestone.crawler.v1.crawler_service_pb2 import ImportAction

_IN_FLIGHT: Final = 4
_SHOWN: Final = 20
_KEPT: Final = "KEPT"
_REJECTED: Final = "REJECTED"
_WORDS: Final = {
    _KEPT: "kept",
    "KNOWN": "known before",
    "DUPLICATE": "nearly the same as what is kept or was seen here",
    "PURGED": "purged here",
    "JUDGED_OTHERWISE": "judged otherwise here",
    _REJECTED: "rejected",
}


@dataclass(frozen=True, slots=True)
class _Ended:
    """What became of a part of the export.

    Attributes:
        action: A word of the contract's ImportAction, or `REJECTED`.
        reason: Why it is not kept; empty if it is.
        digest: Of the image; empty if it was not read so far.
    """

    action: str
    reason: str = ""
    digest: str = ""


def import_images(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=given_path, metavar="DIR", help="What `lodestone export` wrote, in any format."
        ),
    ],
    *,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage",
            help="Read damaged shards too: each image is verified by itself, facts are not.",
        ),
    ] = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Take an export into the store, with the facts, judgements and embeddings of each image.

    Images are verified, decoded and compared with what is kept here, as those of a crawl. What is known already stays
    as it is: the same command again goes on where it was broken off.
    """
    raise typer.Exit(asyncio.run(_import(Output(as_json=as_json), folder, salvage=salvage)))


async def _import(output: Output, path: Path, *, salvage: bool) -> int:
    from lodestone.cli.moving.exported import read_export, read_rows

    manifest = read_export(path)
    patience = Patience("crawler", output.note)
    view = _View(output)
    client = crawler_client(max_in_flight=_IN_FLIGHT, on_wait=patience.on_wait)
    async with client as crawler:
        await crawler.require_reachable()

        async def send(row: FoundRow | Refused) -> _Ended:
            return await _send(crawler, row)

        with output.progress() as progress:
            task = progress.add_task("importing", total=manifest.image_count, counters="")
            rows = read_rows(path, manifest, salvage=salvage)
            async with patience.limit():
                async for row, ended in ordered_map(rows, send, limit=_IN_FLIGHT):
                    view.ended(row.name, ended)
                    progress.update(task, advance=1, counters=view.counters)
    view.conclude(manifest)
    return 1 if view.counts[_REJECTED] else 0


async def _send(crawler: CrawlerClient, row: FoundRow | Refused) -> _Ended:
    if isinstance(row, Refused):
        return _Ended(_REJECTED, row.reason)
    digest = row.request.record.digest
    try:
        answer = await crawler.import_image(row.request)
    except MessageTooLarge as error:
        return _Ended(_REJECTED, str(error), digest)
    if answer.HasField("rejection"):
        return _Ended(_REJECTED, answer.rejection.reason, digest)
    return _Ended(word(ImportAction, answer.value.action), answer.value.reason, digest)


@dataclass
class _View:
    """What a person sees, or a program.

    Attributes:
        output: Where.
        counts: How many ended how.
    """

    output: Output
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def counters(self) -> str:
        """For the progress bar."""
        return ", ".join(_told(self.counts))

    def ended(self, name: str, ended: _Ended) -> None:
        """Tells what became of a part of the export."""
        self.counts[ended.action] += 1
        if self.output.as_json:
            facts = {"name": name, "digest": ended.digest or None}
            self.output.object(facts | {"action": ended.action, "reason": ended.reason})
        elif ended.action == _REJECTED:
            self._note(name, ended.reason)

    def conclude(self, manifest: Manifest) -> None:
        """Prints the counts: of images, and of parts of the export that were rejected, which may be others."""
        refused, ended = self.counts[_REJECTED], self._images(manifest.image_count)
        if self.output.as_json:
            counts = {action.lower() + "_count": ended[action] for action in _WORDS}
            facts = {"image_count": manifest.image_count, **counts, "rejected_part_count": refused}
            self.output.object({"summary": facts})
            return
        left = refused - _SHOWN
        if left > 0:
            self.output.note(f"and {left:,} more were rejected (--json prints all)")
        told = ", ".join(_told(ended)) or "nothing to import"
        if refused != ended[_REJECTED]:
            told += f"; rejected of the export: {count_of(refused, 'part')}"
        self.output.text(f"of {count_of(manifest.image_count, 'exported image')}: {told}")

    def _note(self, name: str, reason: str) -> None:
        if self.counts[_REJECTED] <= _SHOWN:
            self.output.note(f"rejected {name}: {reason}")

    def _images(self, image_count: int) -> Counter[str]:
        """How many of the exported images ended how: a shard that is rejected is one part, and many images."""
        ended = Counter(self.counts)
        del ended[_REJECTED]
        ended[_REJECTED] = max(0, image_count - ended.total())
        return ended


def _told(counts: Counter[str]) -> Iterator[str]:
    known = [*_WORDS, *sorted(set(counts) - set(_WORDS))]
    for action in known:
        if counts[action]:
            yield f"{counts[action]:,} {_WORDS.get(action, spoken(action))}"
