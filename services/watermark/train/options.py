"""The command line of a training."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.watermark.command_line import CommandParser, at_least
from services.watermark.config import WatermarkBackend
from services.watermark.evaluate.threshold import MAX_FALSE_POSITIVE_RATIO
from services.watermark.synthesis.drawn_marks import KINDS

# Options that one of the trainings alone has.
_OPTIONS: Final = {
    WatermarkBackend.ONNXRUNTIME: (
        *("resume", "variant", "device", "unfreeze", "precision", "steps", "batch"),
        *("measure_every", "save_every", "workers"),
    ),
    WatermarkBackend.EMBEDDER: ("encoder", "pairs"),
}


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads it; a wrong one ends the process with one line and status 2."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    _refuse_others(parser, parsed)
    return parsed


def _refuse_others(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """Ends with status 2 if an option was given that the other training has."""
    for backend, names in _OPTIONS.items():
        for name in names:
            given = getattr(parsed, name) != parser.get_default(name)
            if given and backend != parsed.backend:
                option = f"--{name.replace('_', '-')}"
                parser.error(f"{option} is for --backend {backend}")


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("train", "Trains a watermark detector on photos with drawn marks.")
    photos = _add_folders(parser, "--photos", "photos: 80 %% train, 10 %% calibrate, 10 %% test")
    photos.required = True
    _add_folders(parser, "--calibrate", "photos of other sources: calibrate in place of the tenth")
    _add_folders(
        parser,
        "--held-out",
        "photos of other sources: half calibrate, half test; with --calibrate all test",
    )
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
        "--backend",
        choices=list(_OPTIONS),
        default=WatermarkBackend.ONNXRUNTIME,
        help="what is to serve it: a network of its own (onnxruntime, the default), or a head over the "
        "embedder's embeddings of the quadrants (embedder)",
    )
    parser.add_argument(
        "--encoder",
        default="efficientnet-lite0",
        metavar="NAME|DIR",
        help="of a head, the encoder that the embedder serves (default efficientnet-lite0)",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="default data"
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
        action="extend",
        choices=sorted(KINDS),
        default=[],
        metavar="KIND",
        help=f"kinds of mark to leave out, to see whether they are found all the same: {', '.join(KINDS)}",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="what computes (default cpu)"
    )
    parser.add_argument(
        "--unfreeze",
        action="store_true",
        help="train the first three blocks too: a step takes 1.4 times as long on a CPU",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="of what the network computes while it is trained (default fp32)",
    )
    parser.add_argument(
        "--max-false-positive-ratio",
        type=_ratio,
        default=MAX_FALSE_POSITIVE_RATIO,
        metavar="SHARE",
        help="clean images that may be lost: sets the threshold (default 0.02)",
    )
    parser.add_argument("--json", action="store_true", help="progress and result as JSON objects")
    _add_number(parser, "--seed", 0, 0, "of everything random (default 0)")
    _add_number(parser, "--pairs", 100, 4000, "of a head, clean and marked images (default 4000)")
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
    parser.add_argument(name, type=at_least(lowest), default=default, metavar="N", help=meaning)


def _ratio(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        message = f"{text} is not in [0, 1)"
        raise argparse.ArgumentTypeError(message)
    return value


def _add_folders(parser: argparse.ArgumentParser, name: str, meaning: str) -> argparse.Action:
    return parser.add_argument(
        name, type=Path, nargs="+", action="extend", metavar="DIR", default=[], help=meaning
    )
