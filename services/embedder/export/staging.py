"""The staging folder: a new folder appears under its name complete, or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.embedder.export.errors import OutFolderUnusable


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """Gives an empty folder beside `out` that takes its name when the block ends without an error.

    Raises:
        OutFolderUnusable: `out` is a file or holds something, or its parent cannot be written.
    """
    out = out.absolute()
    try:
        if out.exists() and any(out.iterdir()):
            raise OutFolderUnusable(out, "the folder is not empty")
        if not out.parent.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
        staging = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
        staging.mkdir()
    except OSError as error:
        raise OutFolderUnusable(out, error.strerror or type(error).__name__) from error
    try:
        yield staging
        _rename(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _rename(staging: Path, out: Path) -> None:
    try:
        staging.rename(out)
    except OSError as error:
        raise OutFolderUnusable(out, error.strerror or type(error).__name__) from error
