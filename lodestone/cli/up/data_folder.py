"""The data folder: writable, and one set of services' own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lodestone.cli.errors import CliError


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Makes the folder where it is missing and holds it: two sets of services must not share one.

    Raises:
        CliError: It is no folder, cannot be written, or is held by another process.
    """
    with _open_lock(data) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip()
            message = f"another `lodestone up` (process {holder}) uses {data}"
            raise CliError(message) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _open_lock(data: Path) -> TextIO:
    for path in (data, *data.parents):
        if path.exists() and not path.is_dir():
            raise CliError(f"{path} is a file, not a folder: --data takes a folder")
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "up.lock").open("a+")
    except OSError as error:
        raise _unwritable(data, error.strerror or str(error)) from error
    if not os.access(data, os.W_OK | os.X_OK):
        lock.close()
        raise _unwritable(data, "permission denied")
    return lock


def _unwritable(data: Path, why: str) -> CliError:
    return CliError(f"the data folder {data} cannot be written ({why.lower()})")
