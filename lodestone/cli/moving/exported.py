"""An export that is read: its rows, and what of it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import shown
from lodestone.cli.moving.formats import FORMATS
from lodestone.cli.moving.found_row import FoundRow, Refused
from lodestone.cli.moving.manifest import (
    MANIFEST,
    PROGRESS,
    Manifest,
    ShardEntry,
    read_manifest,
)
from lodestone.cli.moving.shard import ShardDamaged
from lodestone.cli.words import count_of

_SALVAGE: Final = " (--salvage reads what can be read)"


def read_export(path: Path) -> Manifest:
    """The manifest of an export that came to its end.

    Raises:
        CliError: There is none, or nothing that can be imported.
    """
    if path.suffix == ".tar" or (path.is_dir() and not (path / MANIFEST).exists()):
        raise CliError(_no_export(path))
    if not path.is_dir():
        raise CliError(f"there is no folder {shown(path)}")
    manifest = read_manifest(path / MANIFEST)
    assert manifest is not None, "it is there"
    if manifest.terms.format not in FORMATS:
        raise CliError(
            f"{shown(path)} has the format {manifest.terms.format!r}, which is not known here"
        )
    if not manifest.terms.with_bytes:
        raise CliError(f"{shown(path)} was exported without bytes: there is nothing to import")
    return manifest


def read_rows(path: Path, manifest: Manifest, *, salvage: bool) -> Iterator[FoundRow | Refused]:
    """Yields the images of all shards in their order; a shard that cannot be used is one refusal.

    Args:
        path: The export's folder.
        manifest: Its manifest.
        salvage: Whether to read of shards that are not as they were exported what can be read.
    """
    read = FORMATS[manifest.terms.format].read
    for shard in manifest.shards:
        read_count = refused_count = 0
        try:
            for row in read(path / shard.name, shard.sha256, salvage):
                read_count += isinstance(row, FoundRow)
                refused_count += isinstance(row, Refused)
                yield row
        except ShardDamaged as error:
            reason = (
                f"{error}; {read_count:,} of its {count_of(shard.image_count, 'image')} were read"
            )
            is_there = not salvage and (path / shard.name).exists()
            yield Refused(shard.name, reason + (_SALVAGE if is_there else ""))
        else:
            yield from _unlike(shard, read_count, refused_count)


def _unlike(shard: ShardEntry, read_count: int, refused_count: int) -> Iterator[Refused]:
    """A shard that has other images than its manifest says, where nothing that was refused tells why."""
    if read_count != shard.image_count and not refused_count:
        said = f"the manifest says {shard.image_count:,}"
        yield Refused(shard.name, f"it has {count_of(read_count, 'image')}, and {said}")


def _no_export(path: Path) -> str:
    if (path / PROGRESS).exists():
        return f"the export in {shown(path)} did not come to its end: give the same `lodestone export` again"
    has_tars = path.suffix == ".tar" or any(path.glob("*.tar"))
    other = f": `lodestone crawl webdataset:{path}` takes tar files of others" if has_tars else ""
    return f"{shown(path)} has no {MANIFEST}: it is no export of Lodestone{other}"
