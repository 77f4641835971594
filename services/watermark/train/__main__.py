"""`python -m services.watermark.train --photos DIR... --out DIR`: photos in, a detector folder out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from services.servicekit.errors import LodestoneError, Misconfigured
from services.servicekit.logs import configure_logs
from services.watermark.detector_folder import check_name
from services.watermark.synthesis.drawn_marks import KINDS
from services.watermark.train.photos import PhotoFolders


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
        from services.watermark.train.fitting import FitPlan  # noqa: PLC0415
        from services.watermark.train.marks import Marks  # noqa: PLC0415
        from services.watermark.train.network import Variant  # noqa: PLC0415
        from services.watermark.train.recipe import Recipe, train_detector  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = f"training needs {error.name}, which is not installed: see the train extra"
        raise Misconfigured(message) from error
    recipe = Recipe(
        photos=PhotoFolders(
            training=tuple(parsed.photos),
            held_out=tuple(parsed.held_out),
            clean=tuple(parsed.clean),
            marked=tuple(parsed.marked),
        ),
        marks=Marks(
            tuple(parsed.fonts), tuple(parsed.held_out_fonts), frozenset(parsed.without_kinds)
        ),
        seed=parsed.seed,
        plan=FitPlan(
            parsed.steps,
            parsed.measure_every,
            parsed.save_every,
            workers=parsed.workers,
            device=parsed.device,
            unfreeze=parsed.unfreeze,
        ),
        batch=parsed.batch,
        variant=Variant(parsed.variant),
        threads=parsed.threads,
    )
    train_detector(recipe, parsed.out, resume=parsed.resume)


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
    _add_folders(parser, "--clean", "images without marks, to learn from as they are")
    _add_folders(parser, "--marked", "images with real marks, the same")
    _add_folders(parser, "--fonts", "TrueType and OpenType files to train with (default: Pillow's)")
    _add_folders(parser, "--held-out-fonts", "the same to calibrate and test with")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder; its name is the detector's",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in the folder"
    )
    parser.add_argument(
        "--variant",
        choices=("quadrants", "nine"),
        default="quadrants",
        help="448x448 pixels as four tiles, or 672x672 as nine (default quadrants)",
    )
    parser.add_argument(
        "--without-kinds",
        nargs="+",
        choices=sorted(KINDS),
        default=[],
        metavar="KIND",
        help="kinds of mark to leave out, to see whether they are found all the same",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="what computes (default cpu)"
    )
    parser.add_argument(
        "--unfreeze",
        action="store_true",
        help="train the first three blocks too: a step takes 2.4 times as long on a CPU",
    )
    _add_number(parser, "--seed", 0, 0, "of everything random (default 0)")
    _add_number(parser, "--steps", 1, 6000, "batches to train on (default 6000)")
    _add_number(parser, "--batch", 8, 32, "tiles in a batch (default 32)")
    _add_number(parser, "--measure-every", 1, 500, "steps between points of the curves (500)")
    _add_number(parser, "--save-every", 1, 100, "steps between checkpoints (default 100)")
    _add_number(parser, "--threads", 1, 1, "CPU threads of the network (default 1)")
    _add_number(parser, "--workers", 1, 1, "processes that draw the marks (default 1)")
    return parser


def _add_number(
    parser: argparse.ArgumentParser, name: str, lowest: int, default: int, meaning: str
) -> None:
    parser.add_argument(name, type=_at_least(lowest), default=default, metavar="N", help=meaning)


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
