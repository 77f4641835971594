"""A module of ours as a process of its own, which says a line when it is ready and ends with its standard input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Child:
    """A running one.

    Attributes:
        first_line: What it said.
    """

    first_line: str
    _process: subprocess.Popen[str]

    def end(self) -> str:
        """Ends it. Returns what else it said."""
        return self._process.communicate()[0].strip()


@contextmanager
def child(module: str, *arguments: object) -> Iterator[Child]:
    """Starts `python -m MODULE ARGUMENTS` and waits for its first line."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield Child(process.stdout.readline().strip(), process)
