"""`folder:`: a mirror of the kept images in a folder, with readable names, for people and other programs."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from services.crawler.sinks.sink import Delivery, DeliveryFailed, FailureKind, Removal
from services.servicekit.disk import sync

# The file of a digest's bytes, if they are in a folder.
BlobPath = Callable[[str], Path]

_PARTS: Final = ".lodestone-parts"
_OLD_PART_S: Final = 3_600.0
_READ_BYTES: Final = 1 << 20


class FolderSink:
    """Places `<profile>/<readable name>`: a hard link to the stored bytes where that can be, else a copy.

    A name is taken only if nobody has it, in one step that never replaces a file: a stranger's stays as it is.
    """

    kind = "folder"
    concurrency = 2
    max_bytes = 1 << 30

    def __init__(self, name: str, folder: Path, blob_path: BlobPath | None = None) -> None:
        """Takes the folder, which must be there, and where the bytes lie if it is in a folder too."""
        self.name = name
        self._folder = folder
        self._blob_path = blob_path

    async def deliver(self, delivery: Delivery) -> str:
        """Places the file; one of that name with the same bytes is the delivery that was made before."""
        return await asyncio.to_thread(self._deliver, delivery)

    async def remove(self, removal: Removal) -> str:
        """Removes the file if it still has the image's bytes; another one is a stranger's, or a person's work."""
        return await asyncio.to_thread(self._remove, removal)

    def _deliver(self, delivery: Delivery) -> str:
        image = delivery.image
        place = self._folder / image.profile.name / image.file_name
        with self._working():
            if not _has(place, image.digest):
                place.parent.mkdir(exist_ok=True)
                self._place(place, delivery)
            sync(place.parent)
            sync(self._folder)
        return f"{image.profile.name}/{image.file_name}"

    def _place(self, place: Path, delivery: Delivery) -> None:
        part = self._part(delivery)
        try:
            # Unlike a rename, a link fails where a file is.
            os.link(part, place)
        except FileExistsError:
            # A person, or another crawler a moment ago.
            _require_same(place, delivery.image.digest)
        except OSError:
            # There are no links on this disk.
            _require_free(place)
            part.rename(place)
        finally:
            part.unlink(missing_ok=True)

    def _part(self, delivery: Delivery) -> Path:
        """The bytes in a file of the folder's disk, which nobody looks for."""
        parts = self._folder / _PARTS
        parts.mkdir(exist_ok=True)
        _drop_old(parts)
        part = parts / uuid.uuid4().hex
        if self._blob_path is not None:
            with contextlib.suppress(OSError):
                os.link(self._blob_path(delivery.image.digest), part)
                return part
        try:
            with part.open("xb") as handle:
                handle.write(delivery.encoded)
                handle.flush()
                os.fsync(handle.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def _remove(self, removal: Removal) -> str:
        place = self._folder / removal.profile_name / removal.file_name
        with self._working():
            if not os.path.lexists(place):
                return "there was no such file any more"
            if not _has(place, removal.digest):
                return (
                    f"{removal.profile_name}/{removal.file_name} is another file now, and was left"
                )
            place.unlink()
            sync(place.parent)
        return "removed"

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """What a disk refuses, it may take later. A folder that is not there may be on a disk that comes back."""
        try:
            if not self._folder.is_dir():
                message = f"there is no folder {self._folder}"
                raise DeliveryFailed(FailureKind.AWAY, message)
            yield
        except OSError as error:
            cause = error.strerror or type(error).__name__
            message = f"the folder {self._folder} cannot be written: {cause}"
            raise DeliveryFailed(FailureKind.AWAY, message) from error


def _require_same(place: Path, digest: str) -> None:
    if not _has(place, digest):
        _refuse(place)


def _require_free(place: Path) -> None:
    if os.path.lexists(place):
        _refuse(place)


def _refuse(place: Path) -> None:
    message = f"{place} is another file, and was left: move it away, then `lodestone sinks retry`"
    raise DeliveryFailed(FailureKind.REFUSED, message)


def _has(place: Path, digest: str) -> bool:
    """Whether a file has the bytes of a digest; what is no file has not."""
    if place.is_symlink() or not place.is_file():
        return False
    found = hashlib.sha256()
    with place.open("rb") as handle:
        while chunk := handle.read(_READ_BYTES):
            found.update(chunk)
    return found.hexdigest() == digest


def _drop_old(parts: Path) -> None:
    """Removes what a crash has left; what is younger may be another crawler's work."""
    for part in parts.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_ctime > _OLD_PART_S:
                part.unlink()
