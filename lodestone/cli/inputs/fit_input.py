"""What a person writes to name what a profile is fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from lodestone.cli.errors import CliError, WrongUsage

_KEPT: Final = "kept:"
_FILES: Final = (".npy", ".parquet")


@dataclass(frozen=True, slots=True)
class FolderInput:
    """A folder of photos."""

    path: Path


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file of embeddings."""

    path: Path


@dataclass(frozen=True, slots=True)
class KeptInput:
    """All images that are kept under a profile's name."""

    profile_name: str


FitInput: TypeAlias = FolderInput | FileInput | KeptInput

InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="What you like: folders of photos, files of embeddings (`.npy`, `.parquet`), and "
        "`kept:NAME` for all that is kept under a profile's name.",
    ),
]


def fit_input(text: str) -> FitInput:
    """Reads one input; `./kept:x` is a folder of that name.

    Raises:
        WrongUsage: It is none.
        CliError: There is no such file or folder.
    """
    if text.startswith(_KEPT):
        name = text.removeprefix(_KEPT)
        if not name or "@" in name:
            raise WrongUsage(f"{_KEPT} takes a profile's name without a version, not {name!r}")
        return KeptInput(name)
    if not text.strip():
        raise WrongUsage("an INPUT is empty: name a folder, a file or kept:NAME")
    path = Path(text)
    if path.suffix.lower() in _FILES and not path.is_dir():
        if not path.is_file():
            raise CliError(f"there is no file {path}")
        return FileInput(path)
    if path.is_file():
        raise CliError(
            f"{path} is neither a folder of photos nor a file of embeddings (.npy or .parquet)"
        )
    if not path.exists():
        raise CliError(f"there is no folder {path}")
    return FolderInput(path)
