"""The bearer tokens of people, in a file that is read again when it changes."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Final

import structlog

from services.servicekit.errors import Misconfigured

_MIN_CHARS: Final = 16


class TokenFile:
    """A line for each token, `name token`; empty lines and those that begin with `#` say nothing.

    A name may have several tokens, so that one can be replaced without a gap. Only digests are kept.

    Raises:
        Misconfigured: The file cannot be read or a line is wrong.
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
            self._names = self._read()
        except Misconfigured as error:
            if self._told != str(error):
                structlog.get_logger().error("tokens_not_reloaded", cause=str(error))
                self._told = str(error)
            return
        self._stamp, self._told = stamp, ""
        structlog.get_logger().info("tokens_reloaded", count=len(self._names))

    def _look(self) -> tuple[int, ...]:
        try:
            facts = self._path.stat()
        except OSError:
            return ()
        return (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)

    def _read(self) -> list[tuple[bytes, str]]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no text"
            raise Misconfigured(f"the tokens {self._path} cannot be read: {cause}") from error
        found = []
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split()
            # The line itself may be a secret.
            if len(parts) != 2 or len(parts[1]) < _MIN_CHARS:
                what = f"`name token`, with a token of {_MIN_CHARS} characters or more"
                raise Misconfigured(f"the tokens {self._path}: line {number} is not {what}")
            found.append((_digest(parts[1]), parts[0]))
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
