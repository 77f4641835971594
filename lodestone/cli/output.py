"""What a command prints: results on stdout, for people or as JSON lines; everything else on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from lodestone.cli.words import printable

# Where nobody looks, lines may be long.
_FILE_WIDTH = 160


class Output:
    """The two streams of one command.

    Attributes:
        as_json: Whether results are JSON objects, one a line.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._err = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        if not self._out.is_terminal and not os.environ.get("COLUMNS"):
            self._out.width = _FILE_WIDTH

    def object(self, facts: dict[str, Any]) -> None:
        """Prints one JSON object on a line of its own; numbers that are not finite become null."""
        sys.stdout.write(json.dumps(_finite(facts)) + "\n")
        sys.stdout.flush()

    def text(self, text: str | Text) -> None:
        """Prints a result for people; never with --json."""
        self._out.print(Text(text) if isinstance(text, str) else text)

    def note(self, text: str) -> None:
        """Prints something that is no result, on stderr."""
        self._err.print(Text(printable(text)))

    def aside(self, text: str) -> None:
        """A note that only somebody who watches needs: silent unless stderr is a terminal."""
        if self._err.is_terminal:
            self.note(text)

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str | Text]],
    ) -> None:
        """Prints a table for people.

        A column whose name begins with `>` has its cells on the right; one whose name begins with `~` gives way where
        the terminal is narrow.
        """
        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            show_edge=False,
            show_header=any(column.strip(">~") for column in columns),
        )
        for column in columns:
            table.add_column(
                column.lstrip(">~"),
                justify="right" if column.startswith(">") else "left",
                no_wrap=not column.startswith("~"),
                overflow="fold",
            )
        for row in rows:
            cells = [cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row]
            table.add_row(*cells)
        self._out.print(table, soft_wrap=False)

    def progress(self) -> Progress:
        """A progress bar on stderr; silent unless that is a terminal. Tasks may set the field `counters`."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counters]}", markup=False),
            console=self._err,
            disable=not self._err.is_terminal,
            transient=True,
        )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
