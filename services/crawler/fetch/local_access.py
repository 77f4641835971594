"""Which files of its machine a crawler may read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LocalAccess:
    """Asked when a source is named, and again when a listing of it is read: settings and links change in between.

    Attributes:
        is_allowed: Whether files may be read at all.
        folder: In which folder these are, links in its own path followed; None is anywhere.
    """

    is_allowed: bool = True
    folder: Path | None = None

    def refusal(self, path: Path) -> str:
        """Why a file or folder, named without links, may not be read, one sentence; empty if it may.

        Raises:
            OSError: The folder's own path cannot be read.
            RuntimeError: It is a circle of links.
        """
        if not self.is_allowed:
            return "this crawler does not read files of its machine"
        if self.folder is not None and not path.is_relative_to(self.folder.resolve()):
            return f"this crawler reads files in {self.folder} alone"
        return ""
