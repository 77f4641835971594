"""Files that a command leaves, and what is said when the disk does not take one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lodestone.cli.errors import CliError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside it this file is written, and nothing else: a disk that is full does not say which file has no room.

    Raises:
        CliError: It cannot be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CliError(f"{path}: cannot be written: {reason}") from error
