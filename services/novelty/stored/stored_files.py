"""The files of a profile's folder, opened without trusting them: regular files of that folder alone, up to a size."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path


class UnusableFile(ValueError):
    """A stored file is not what it should be.

    Attributes:
        file_name: Which one.
        problem: What is wrong; goes on after the name.
    """

    def __init__(self, file_name: str, problem: str) -> None:
        super().__init__(f"{file_name} {problem}")
        self.file_name = file_name
        self.problem = problem


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Opens a regular file for reading; a link is not followed, and a pipe is not waited for.

    Raises:
        UnusableFile: It is missing, no regular file, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise UnusableFile(path.name, "is missing") from error
    except OSError as error:
        raise UnusableFile(path.name, _why_not(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnusableFile(path.name, "is no regular file")
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_up_to(path: Path, limit_bytes: int) -> bytes:
    """Returns the content of a file.

    Raises:
        UnusableFile: It is missing, no regular file, larger than the limit, or cannot be read.
    """
    with opened(path) as file:
        try:
            # A limit that a file states itself may be beyond all memory.
            size_bytes = os.fstat(file.fileno()).st_size
            content = file.read(min(size_bytes, limit_bytes) + 1)
        except OSError as error:
            raise UnusableFile(path.name, _why_not(error)) from error
    if len(content) > limit_bytes:
        raise UnusableFile(path.name, f"has more than {limit_bytes:,} bytes")
    return content


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a regular file a second name, or copies it where the file system lets a file have one alone.

    Raises:
        UnusableFile: It is no regular file, or cannot be read.
        FileNotFoundError: It is missing.
    """
    _require_regular(source)
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        with opened(source) as file, target.open("xb") as copy:
            shutil.copyfileobj(file, copy)
    # It may have been replaced between the look and the link.
    _require_regular(target)


def _require_regular(path: Path) -> None:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise UnusableFile(path.name, "is a link" if stat.S_ISLNK(mode) else "is no regular file")


def _why_not(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a link"
    return f"cannot be read: {error.strerror or type(error).__name__}"
