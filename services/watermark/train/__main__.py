"""`python -m services.watermark.train`: photos in, a detector folder out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from services.servicekit.errors import LodestoneError
from services.servicekit.logs import configure_logs
from services.watermark.train.photos import PhotoFolders
from services.watermark.train.recipe import Fonts, Recipe, train_detector


def main() -> None:
    """Reads the command line and trains; a problem is one line and exit 1."""
    arguments = _parser().parse_args()
    configure_logs("watermark-train", as_json=None)
    recipe = Recipe(
        photos=PhotoFolders(
            training=tuple(arguments.photos),
            held_out=tuple(arguments.held_out),
            test=tuple(arguments.test),
            marked=tuple(arguments.marked),
        ),
        fonts=Fonts(tuple(arguments.fonts), tuple(arguments.held_out_fonts)),
        seed=arguments.seed,
        pairs=arguments.pairs,
        epochs=arguments.epochs,
        threads=arguments.threads,
    )
    try:
        train_detector(recipe, arguments.out)
    except LodestoneError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.watermark.train",
        description="Trains a watermark detector on photos with synthesised marks.",
    )
    _add_folders(
        parser, "--photos", "photos: 80 %% train, 10 %% calibrate, 10 %% test"
    ).required = True
    _add_folders(parser, "--held-out", "photos of other sources: half calibrate, half test")
    _add_folders(parser, "--test", "photos that are only reported on")
    _add_folders(parser, "--marked", "photos with real marks; only reported on")
    _add_folders(parser, "--fonts", "TrueType and OpenType files to train with (default: Pillow's)")
    _add_folders(parser, "--held-out-fonts", "the same to test with")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new folder")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    parser.add_argument(
        "--pairs", type=int, default=7000, help="synthesised pairs to train on (default 7000)"
    )
    parser.add_argument("--epochs", type=int, default=2, help="passes over them (default 2)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    return parser


def _add_folders(parser: argparse.ArgumentParser, name: str, meaning: str) -> argparse.Action:
    return parser.add_argument(name, type=Path, nargs="+", metavar="DIR", default=[], help=meaning)


if __name__ == "__main__":
    main()
