"""Files that a command leaves, and what is said when the disk does not take one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.servicekit.disk import sync
from services.servicekit.errors import LodestoneError


class FileNotWritten(LodestoneError):
    """The disk did not take a file.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot be written: {reason}")
        self.path = path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside it this file is written, and nothing else: a disk that is full does not say which file has no room.

    Raises:
        FileNotWritten: It cannot be written; a part of it may be there.
    """
    try:
        yield
    except OSError as error:
        raise FileNotWritten(path, error.strerror or type(error).__name__) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives the path of a draft, with the same suffix, that takes the file's place whole, synced to the disk.

    Raises:
        FileNotWritten: It cannot be written; what was there before stays, and no draft.
    """
    draft = path.with_name(f".draft-{path.name}")
    try:
        with writing(path):
            yield draft
            sync(draft)
            draft.replace(path)
            sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)
