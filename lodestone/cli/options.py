"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line on stdout; the rest on stderr.")
]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="LODESTONE_DATA",
        metavar="DIR",
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

DEFAULT_DATA = Path("data")
