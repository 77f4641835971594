"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def given_path(text: str | Path) -> Path:
    """The `parser` of every option and argument that is a path: an empty one would be the current folder.

    Raises:
        typer.BadParameter: It is empty.
    """
    if not str(text).strip():
        raise typer.BadParameter("it is empty")
    return Path(text)


JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line on stdout; the rest on stderr.")
]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="LODESTONE_DATA",
        metavar="DIR",
        parser=given_path,
        help="The folder that everything lives under; the one given to `lodestone up`.",
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="The profile: `landscapes` for its newest version, `landscapes@3` for a certain one.",
    ),
]
# The crawler's own range.
PRIORITY_MIN, PRIORITY_MAX = -100, 100
PriorityOption = Annotated[
    int,
    typer.Option(
        "--priority",
        metavar="N",
        min=PRIORITY_MIN,
        max=PRIORITY_MAX,
        help="What these sources list is fetched before what sources of a lower priority list; -100 to 100.",
    ),
]

DEFAULT_DATA = Path("data")
