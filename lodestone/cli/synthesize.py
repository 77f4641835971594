"""`lodestone watermark synthesize`: pairs of clean and marked images, made of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lodestone.cli.checkout import require_checkout
from lodestone.cli.mark_kinds import KIND_NAMES, MarkKind
from lodestone.cli.module_run import option_words, run_module
from lodestone.cli.options import JsonOption, given_path

_MODULE = "services.watermark.synthesis"


def synthesize(
    photos: Annotated[
        Path, typer.Argument(parser=given_path, metavar="PHOTOS_DIR", help="Photos without marks.")
    ],
    out: Annotated[
        Path, typer.Argument(parser=given_path, metavar="OUT_DIR", help="A new or an empty folder.")
    ],
    *,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Pairs; default one of each readable photo."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    kinds: Annotated[
        list[MarkKind] | None,
        typer.Option(
            metavar="KIND", help=f"A mark; may be given again: then in turn. {KIND_NAMES}."
        ),
    ] = None,
    fonts: Annotated[
        list[Path] | None,
        typer.Option(
            parser=given_path, metavar="DIR", help="Fonts to write marks in; may be given again."
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="FILE.jpg",
            help="Also a contact sheet of all kinds, to look at; or .webp.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw marks over photos: OUT_DIR/clean, OUT_DIR/marked and OUT_DIR/labels.jsonl.

    Both images of a pair have the same name and went through the same encoding. The same photos, fonts and options give
    the same files.
    """
    options = option_words(
        {
            "--seed": seed,
            "--count": count,
            "--kinds": kinds,
            "--fonts": fonts,
            "--sheet": sheet,
            "--json": as_json,
        }
    )
    raise typer.Exit(run_module(require_checkout(), _MODULE, str(photos), str(out), *options))
