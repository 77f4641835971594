"""The command line of a check."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from services.servicekit.one_line_parser import OneLineParser


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads it; a wrong one ends the process with one line and status 2."""
    parser = OneLineParser(
        prog="lodestone verify",
        description="Checks catalogue and store; where they are, LODESTONE_CRAWLER_… says, as for the crawler.",
    )
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--deep", action="store_true", help="decode and embed every image again")
    parser.add_argument("--repair", action="store_true", help="mend what can safely be mended")
    parser.add_argument(
        "--grace",
        type=_not_negative,
        default=3600.0,
        help="seconds in which a file may be on its way",
    )
    parser.add_argument(
        "--show", type=int, default=20, help="problems of each kind to print; 0 is all"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args(arguments)


def _not_negative(text: str) -> float:
    value = float(text)
    if not value >= 0:
        message = f"{text} is under 0"
        raise argparse.ArgumentTypeError(message)
    return value
