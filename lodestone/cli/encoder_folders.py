"""The encoders that are on this machine: the bundled ones and the exported ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from lodestone.cli.errors import CliError

_DESCRIPTION: Final = "encoder.json"


def described_encoders(
    data: Path, checkout: Path | None, note: Callable[[str], None]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields each encoder's folder and what its description says; notes those that cannot be read."""
    for parent in _parents(data, checkout):
        for description in sorted(parent.glob(f"*/{_DESCRIPTION}")):
            try:
                facts = json.loads(description.read_bytes())
            except (OSError, ValueError) as error:
                note(f"left out {description}: {error}")
                continue
            if isinstance(facts, dict):
                yield description.parent, facts


def require_encoder(encoder: str, data: Path, checkout: Path) -> None:
    """Passes an encoder's name, or the path of its folder, if there is such a folder.

    Whether the folder holds a usable encoder is the embedder's to say.

    Raises:
        CliError: There is none; the names that there are.
    """
    if os.sep in encoder or encoder.startswith("."):
        if not Path(encoder).expanduser().is_dir():
            raise CliError(f"there is no encoder folder {encoder}")
        return
    parents = _parents(data, checkout)
    if any((parent / encoder).is_dir() for parent in parents):
        return
    known = {path.parent.name for parent in parents for path in parent.glob(f"*/{_DESCRIPTION}")}
    there = ", ".join(sorted(known)) or "none"
    raise CliError(
        f"there is no encoder {encoder!r}; there is {there} (see: lodestone encoder list)"
    )


def _parents(data: Path, checkout: Path | None) -> list[Path]:
    return [
        *([checkout / "encoders"] if checkout else []),
        data / "artifacts" / "encoders",
    ]
