"""The folder of an export: its shards, its manifest, and how far it is. One process at a time adds to it."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import shown
from lodestone.cli.moving.disk import PART, place, remove, replace_file, sync
from lodestone.cli.moving.formats import FORMATS
from lodestone.cli.moving.manifest import (
    MANIFEST,
    PROGRESS,
    Horizon,
    Manifest,
    ShardEntry,
    Terms,
    read_manifest,
)
from lodestone.cli.moving.shard import Sealed, ShardDamaged, ShardFormat

_PART: Final = re.compile(r"(?:shard-[0-9]{6,}(?:\.[a-z]+)?|manifest\.json|progress\.json)\.part")


class ExportFolder:
    """A folder that is exported to.

    A shard has its name only when it is whole; `progress.json` lists those of the export that is under way, and
    `manifest.json` those of all that came to their end.

    Attributes:
        format: The format of its shards.
        earlier: How far earlier exports went; None if there was none.
        current: What is under way; None until it has begun.
    """

    def __init__(self, path: Path, terms: Terms) -> None:
        """Reads how far it is; use it inside of `opened`."""
        self.path = path
        self.terms = terms
        self.format: ShardFormat = FORMATS[terms.format]
        self.earlier = read_manifest(path / MANIFEST)
        self.current = read_manifest(path / PROGRESS)
        for one in (self.earlier, self.current):
            self._require_same(one)
        self._require_whole(self.current or self.earlier)
        if self._is_stale():
            # It came to its end, and was killed just then.
            remove(path / PROGRESS)
            self.current = None
        self._require_own()

    @property
    def reached(self) -> int:
        """The last image of the export under way that is in a shard; 0 if there is none."""
        shards = self.current.shards if self.current else []
        done = len(self.earlier.shards) if self.earlier else 0
        return shards[-1].last_sequence if len(shards) > done else 0

    @property
    def all(self) -> Manifest:
        """All that is exported, as far as it is."""
        found = self.current or self.earlier
        assert found is not None, "an export that has begun knows how far it goes"
        return found

    def begin(self, horizon: Horizon) -> None:
        """Begins an export, or goes on with the one that was broken off."""
        if self.current is None:
            shards = list(self.earlier.shards) if self.earlier else []
            # What was left out is tried again: what still is will be noted anew, and what was purged since is not.
            self.current = Manifest(self.terms, horizon, shards)
            self._save()

    def part(self) -> Path:
        """Where the next shard is written."""
        part = self.path / f"{self.next_name()}{PART}"
        remove(part)
        return part

    def add(self, entry: ShardEntry, left_out: dict[str, str]) -> None:
        """Gives the part its name, and notes it, with what was left out on the way."""
        assert self.current is not None, "it has begun"
        place(self.path / f"{entry.name}{PART}", self.path / entry.name)
        self.current.shards.append(entry)
        self.current.left_out |= left_out
        self._save()

    def next_name(self) -> str:
        """The name of the next shard."""
        number = self.current.next_shard if self.current else 0
        return f"shard-{number:06}{self.format.suffix}"

    def finish(self, left_out: dict[str, str]) -> None:
        """Ends the export: its manifest is written last."""
        assert self.current is not None, "it has begun"
        self.current.left_out |= left_out
        before = self.earlier
        is_same = before is not None and (before.shards, before.left_out) == (
            self.current.shards,
            self.current.left_out,
        )
        if not is_same:
            replace_file(self.path / MANIFEST, self.current.to_json())
        remove(self.path / PROGRESS)
        sync(self.path)

    def _save(self) -> None:
        assert self.current is not None, "it has begun"
        replace_file(self.path / PROGRESS, self.current.to_json())

    def _is_stale(self) -> bool:
        earlier, current = self.earlier, self.current
        return bool(earlier and current and earlier.horizon == current.horizon)

    def _require_same(self, manifest: Manifest | None) -> None:
        if manifest is None or manifest.terms == self.terms:
            return
        own, new = asdict(manifest.terms), asdict(self.terms)
        differing = [name for name in own if own[name] != new[name]]
        what = ", ".join(f"{name} {own[name]!r}, not {new[name]!r}" for name in differing)
        raise CliError(
            f"{shown(self.path)} holds an export of other terms ({what}): give the same ones, or another folder"
        )

    def _require_whole(self, manifest: Manifest | None) -> None:
        for shard in manifest.shards if manifest else ():
            try:
                self.format.check(self.path / shard.name, Sealed(shard.size_bytes, shard.sha256))
            except ShardDamaged as error:
                raise CliError(
                    f"{shown(self.path)} has not all that was exported to it: {shard.name}: {error}; put the shard "
                    "back from a copy, or export into another folder"
                ) from error

    def _require_own(self) -> None:
        """Removes what a crash left, and touches no folder of somebody else's."""
        names = [one.name for one in self.path.iterdir()]
        parts = [name for name in names if _PART.fullmatch(name)]
        if not (self.earlier or self.current) and len(parts) < len(names):
            raise CliError(
                f"{shown(self.path)} is not empty, and holds no export: give another folder"
            )
        for name in parts:
            remove(self.path / name)


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise CliError(f"{shown(path)} is no folder: give another one") from error
    except OSError as error:
        # Some file systems of the kernel, such as /proc, say "no such file" of what is to be made.
        is_odd = isinstance(error, FileNotFoundError) and path.parent.is_dir()
        reason = f"{shown(path.parent)} takes no new folders" if is_odd else error.strerror
        raise CliError(
            f"the folder {shown(path)} cannot be made: {reason}; give another folder"
        ) from error


@contextmanager
def opened(path: Path, terms: Terms) -> Iterator[ExportFolder]:
    """The folder, made if it is not there, for this process alone.

    Raises:
        CliError: It cannot be made, holds something else or not all that it held, or another process exports to it.
    """
    _make(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CliError(f"another process exports to {shown(path)}") from error
        yield ExportFolder(path, terms)
    finally:
        os.close(descriptor)
