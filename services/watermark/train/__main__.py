"""`python -m services.watermark.train --photos DIR... --out DIR`: photos in, a detector folder out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from services.servicekit.errors import LodestoneError, Misconfigured
from services.servicekit.logs import configure_logs
from services.watermark.detector_folder import check_name
from services.watermark.train.photos import PhotoFolders

# Fewer would not fill a batch.
_PAIRS_MIN = 32


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 written, 1 failed, 2 a wrong command line."""
    parsed = _parser().parse_args(arguments)
    configure_logs("watermark-train", as_json=None)
    try:
        check_name(parsed.out.name)
        _make_folder(parsed.out)
        _train(parsed)
    except LodestoneError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _train(parsed: argparse.Namespace) -> None:
    # torch takes seconds to import and may not be there: a wrong command line is told before.
    try:
        from services.watermark.train.recipe import (  # noqa: PLC0415
            Fonts,
            Recipe,
            train_detector,
        )
    except ModuleNotFoundError as error:
        message = f"training needs {error.name}, which is not installed: see the train extra"
        raise Misconfigured(message) from error
    photos = PhotoFolders(
        training=tuple(parsed.photos),
        held_out=tuple(parsed.held_out),
        test=tuple(parsed.test),
        marked=tuple(parsed.marked),
    )
    recipe = Recipe(
        photos=photos,
        fonts=Fonts(tuple(parsed.fonts), tuple(parsed.held_out_fonts)),
        seed=parsed.seed,
        pairs=parsed.pairs,
        epochs=parsed.epochs,
        threads=parsed.threads,
    )
    train_detector(recipe, parsed.out)


def _make_folder(out: Path) -> None:
    """Found out before the training, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{out}: cannot be made: {error.strerror or type(error).__name__}"
        raise Misconfigured(message) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.watermark.train",
        description="Trains a watermark detector on photos with synthesised marks.",
    )
    photos = _add_folders(parser, "--photos", "photos: 80 %% train, 10 %% calibrate, 10 %% test")
    photos.required = True
    _add_folders(parser, "--held-out", "photos of other sources: half calibrate, half test")
    _add_folders(parser, "--test", "photos that are only reported on")
    _add_folders(parser, "--marked", "photos with real marks; only reported on")
    _add_folders(parser, "--fonts", "TrueType and OpenType files to train with (default: Pillow's)")
    _add_folders(parser, "--held-out-fonts", "the same to test with")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder; its name is the detector's",
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, help="of everything random (default 0)"
    )
    parser.add_argument(
        "--pairs",
        type=_at_least(_PAIRS_MIN),
        default=7000,
        help="synthesised pairs to train on (default 7000)",
    )
    parser.add_argument(
        "--epochs", type=_at_least(1), default=2, help="passes over them (default 2)"
    )
    parser.add_argument("--threads", type=_at_least(1), default=1, help="CPU threads (default 1)")
    return parser


def _add_folders(parser: argparse.ArgumentParser, name: str, meaning: str) -> argparse.Action:
    return parser.add_argument(name, type=Path, nargs="+", metavar="DIR", default=[], help=meaning)


def _at_least(lowest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < lowest:
            message = f"{value} is under {lowest}"
            raise argparse.ArgumentTypeError(message)
        return value

    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
