"""The photos of a folder in turn, without those that do not decode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.servicekit.errors import Misconfigured
from services.servicekit.image import Rgb
from services.watermark.synthesis.pair import shrunk
from services.watermark.synthesis.photo_file import PhotoUnreadable, read_photo

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif")


@dataclass(slots=True)
class PhotoFolder:
    """Photos by their paths.

    Attributes:
        folder: Where they are.
        paths: Those that were not found to be unreadable, in order.
        left_out: The others, with the reason.
    """

    folder: Path
    paths: list[Path]
    left_out: list[tuple[Path, str]] = field(default_factory=list)

    def photo(self, index: int) -> tuple[Path, Rgb]:
        """The photo whose turn it is, at most 1600 pixels a side: (h, w, 3) uint8; all photos have turns alike.

        Raises:
            Misconfigured: None is readable.
        """
        while self.paths:
            path = self.paths[index % len(self.paths)]
            try:
                return path, shrunk(read_photo(path))
            except PhotoUnreadable as error:
                self._leave_out(path, error.reason)
        raise self._nothing_left()

    def turns(self, count: int) -> Iterator[tuple[Path, Rgb]]:
        """So many photos, as `photo` gives them.

        Raises:
            Misconfigured: None is readable.
        """
        for index in range(count):
            yield self.photo(index)

    def each(self) -> Iterator[tuple[Path, Rgb]]:
        """Every photo that can be read, once, as `photo` gives them.

        Raises:
            Misconfigured: None is readable.
        """
        for path in tuple(self.paths):
            try:
                yield path, shrunk(read_photo(path))
            except PhotoUnreadable as error:
                self._leave_out(path, error.reason)
        if not self.paths:
            raise self._nothing_left()

    def _nothing_left(self) -> Misconfigured:
        return Misconfigured(f"{self.folder}: none of its {len(self.left_out)} photos can be read")

    def _leave_out(self, path: Path, reason: str) -> None:
        self.paths.remove(path)
        self.left_out.append((path, reason))


def open_folder(folder: Path) -> PhotoFolder:
    """The photos under a folder, by their suffixes.

    Raises:
        Misconfigured: There is no such folder, or no photo in it.
    """
    if not folder.is_dir():
        message = f"{folder}: there is no such folder of photos"
        raise Misconfigured(message)
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES]
    if not paths:
        message = f"{folder}: there are no photos in it ({', '.join(_SUFFIXES)})"
        raise Misconfigured(message)
    return PhotoFolder(folder, paths)
