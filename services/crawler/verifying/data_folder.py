"""Where things are in a data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The places of a data folder; makes and opens nothing.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def catalogue(self) -> Path:
        """The SQLite catalogue."""
        return self.root / "catalog.sqlite"

    @property
    def blobs(self) -> Path:
        """Bytes and sidecars, in folders by the first two digits of their digest."""
        return self.root / "blobs"

    @property
    def parts(self) -> Path:
        """What is being written."""
        return self.blobs / "tmp"

    @property
    def kept(self) -> Path:
        """Readable names, in a folder for each profile."""
        return self.root / "kept"

    @property
    def set_aside(self) -> Path:
        """What a repair has moved out of the way."""
        return self.root / "set-aside"

    def blob(self, digest: str) -> Path:
        """The bytes of an image."""
        return self.blobs / digest[:2] / digest

    def sidecar(self, digest: str) -> Path:
        """What is known of an image, beside its bytes."""
        return self.blobs / digest[:2] / f"{digest}.json"

    def name(self, profile_name: str, file_name: str) -> Path:
        """A readable name."""
        return self.kept / profile_name / file_name

    def shown(self, path: Path) -> str:
        """A path as seen from the folder."""
        return path.relative_to(self.root).as_posix()
