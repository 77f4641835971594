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
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from lodestone.cli.words import printable

# Where nobody looks, lines may be long.
_FILE_WIDTH = 160
# A bar is as wide as this where there is room beside it for the counters, and else so wide.
_BAR, _NARROW_BAR, _ROOMY = 40, 10, 120
# Cells between two columns, and the fewest in which a long word can still be read.
_GAP = 3
_READABLE = 24


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
        the terminal is narrow. Where even that leaves too little, each row is a
        paragraph: its first cell, and under it the others with their names.
        """
        cells = [[_cell(one) for one in row] for row in rows]
        if _too_wide(columns, cells, self._out.width):
            for row in cells:
                others = Padding(_named(columns[1:], row[1:]), (0, 0, 0, 2))
                self._out.print(row[0], others, soft_wrap=False, overflow="fold")
            return
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
        for row in cells:
            table.add_row(*row)
        self._out.print(table, soft_wrap=False)

    def progress(self) -> Progress:
        """A progress bar on stderr; silent unless that is a terminal. Tasks may set the field `counters`."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=_BAR if self._err.width >= _ROOMY else _NARROW_BAR),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Counters(),
            console=self._err,
            disable=not self._err.is_terminal,
            transient=True,
        )


class _Counters(TextColumn):
    """The field `counters` on one line: where there is too little room its end is left out, and nothing before it."""

    def __init__(self) -> None:
        super().__init__("{task.fields[counters]}", markup=False, table_column=Column())

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def _cell(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(printable(cell))


def _too_wide(columns: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> bool:
    """Whether it does not fit, or the columns that give way would get less than is readable."""
    name_lengths = [len(column.lstrip(">~")) for column in columns]
    lengths = [
        max([name_length, *(row[at].cell_len for row in rows)])
        for at, name_length in enumerate(name_lengths)
    ]
    giving = [at for at, column in enumerate(columns) if column.startswith("~") and lengths[at]]
    readable = sum(min(lengths[at], _READABLE) for at in giving)
    fixed = sum(lengths) - sum(lengths[at] for at in giving)
    return fixed + readable + _GAP * (len(columns) - 1) > width


def _named(columns: Sequence[str], cells: Sequence[Text]) -> Text:
    """The cells that are not empty, each behind its column's name."""
    named = (
        Text.assemble((f"{column.lstrip('>~')} ", "dim"), cell)
        for column, cell in zip(columns, cells, strict=True)
        if cell.plain
    )
    return Text(" · ").join(named)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
