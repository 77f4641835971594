"""An export that is read: its rows, and what of it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import shown
from lodestone.cli.moving.formats import FORMATS
from lodestone.cli.moving.found_row import FoundRow, Refused
from lodestone.cli.moving.manifest import MANIFEST, PROGRESS, Manifest, read_manifest
from lodestone.cli.moving.shard import ShardDamaged


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
        try:
            yield from read(path / shard.name, shard.sha256, salvage)
        except ShardDamaged as error:
            yield Refused(shard.name, str(error))


def _no_export(path: Path) -> str:
    if (path / PROGRESS).exists():
        return f"the export in {shown(path)} did not come to its end: give the same `lodestone export` again"
    has_tars = path.suffix == ".tar" or any(path.glob("*.tar"))
    other = f": `lodestone crawl webdataset:{path}` takes tar files of others" if has_tars else ""
    return f"{shown(path)} has no {MANIFEST}: it is no export of Lodestone{other}"
