"""The bearer tokens of people, in a file that is read again when it changes."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path
from typing import Final

import structlog

from services.servicekit.errors import Misconfigured

_MIN_CHARS: Final = 16


class TokenFile:
    """A line for each token, `name token`; empty lines and those that begin with `#` say nothing.

    A name may have several tokens, so that one can be replaced without a gap. Only digests are kept. While the file is
    empty, gone or no good, the tokens of before stay good; one of comments alone says that nobody has a token.

    Raises:
        Misconfigured: The file cannot be read, is empty or no regular file, or a line is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._names = self._read()
        self._told = ""

    def find(self, token: str) -> str | None:
        """The name that a token belongs to, compared in constant time; None if there is none."""
        self._refresh()
        given = _digest(token)
        found = None
        for digest, name in self._names:
            if hmac.compare_digest(digest, given):
                found = name
        return found

    def _refresh(self) -> None:
        """A file that is no good changes nothing, and is logged once."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        try:
            names = self._read()
            if self._look() != stamp:
                raise self._wrong("changed while they were read")
        except Misconfigured as error:
            if self._told != str(error):
                structlog.get_logger().warning("tokens_not_reloaded", cause=str(error))
                self._told = str(error)
            return
        self._names, self._stamp, self._told = names, stamp, ""
        structlog.get_logger().info("tokens_reloaded", count=len(self._names))

    def _look(self) -> tuple[int, ...]:
        try:
            facts = self._path.stat()
        except OSError:
            return ()
        return (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)

    def _read(self) -> list[tuple[bytes, str]]:
        try:
            lines = self._content().decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no text"
            raise self._wrong(f"cannot be read: {cause}") from error
        if not any(line.strip() for line in lines):
            # A file that is being written begins so.
            raise self._wrong(
                "are an empty file; a line that begins with # says that nobody has one"
            )
        return [self._token(number, line) for number, line in enumerate(lines, 1) if _says(line)]

    def _content(self) -> bytes:
        # A pipe would be waited for, and with it every call.
        with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise self._wrong("are no regular file")
            return file.read()

    def _token(self, number: int, line: str) -> tuple[bytes, str]:
        parts = line.split()
        # The line itself may be a secret.
        if len(parts) != 2 or len(parts[1]) < _MIN_CHARS:
            what = f"`name token`, with a token of {_MIN_CHARS} characters or more"
            raise Misconfigured(f"the tokens {self._path}: line {number} is not {what}")
        return _digest(parts[1]), parts[0]

    def _wrong(self, cause: str) -> Misconfigured:
        return Misconfigured(f"the tokens {self._path} {cause}")


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
