"""`python -m services.watermark.train --photos DIR... --out DIR`: photos in, a detector folder out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.errors import LodestoneError, Misconfigured
from services.servicekit.logs import configure_logs
from services.watermark.config import WatermarkBackend
from services.watermark.detector_folder import check_name
from services.watermark.evaluate.threshold import MAX_FALSE_POSITIVE_RATIO
from services.watermark.synthesis.drawn_marks import KINDS
from services.watermark.train.claim import CHECKPOINT_FILE, claim_folder
from services.watermark.train.photos import PhotoFolders
from services.watermark.train.stopping import Stopped, stopped_by_signals

if TYPE_CHECKING:
    from services.watermark.train.marks import Marks


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 written, 1 failed, 2 a wrong command line, 128 and a signal's number."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    _refuse_others(parser, parsed)
    configure_logs("watermark-train", as_json=None)
    try:
        check_name(parsed.out.name)
        with stopped_by_signals(), claim_folder(parsed.out):
            _TRAININGS[parsed.backend](parsed)
    except LodestoneError as error:
        return _fail(f"error: {error}", 1)
    except OSError as error:
        return _fail(f"error: {error.filename or parsed.out}: {error.strerror}", 1)
    except Stopped as stop:
        return _fail(_how_to_go_on(parsed), 128 + stop.number)
    return 0


def _fail(line: str, status: int) -> int:
    sys.stderr.write(f"{line}\n")
    return status


def _how_to_go_on(parsed: argparse.Namespace) -> str:
    if (parsed.out / CHECKPOINT_FILE).exists():
        return "stopped; go on with --resume"
    has_none = parsed.backend == WatermarkBackend.EMBEDDER
    return "stopped" if has_none else "stopped before the first checkpoint"


def _train_network(parsed: argparse.Namespace) -> None:
    # cuBLAS reads it when it starts (https://docs.nvidia.com/cuda/cublas, "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # torch takes seconds to import and may not be there: a wrong command line is told before.
    try:
        from services.watermark.train.fitting import FitPlan  # noqa: PLC0415
        from services.watermark.train.network import Variant  # noqa: PLC0415
        from services.watermark.train.recipe import Recipe, train_detector  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    recipe = Recipe(
        photos=_photos(parsed),
        marks=_marks(parsed),
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
        max_false_positive_ratio=parsed.max_false_positive_ratio,
    )
    train_detector(recipe, parsed.out, resume=parsed.resume)


def _train_head(parsed: argparse.Namespace) -> None:
    try:
        from services.watermark.train.embedder_head.recipe import (  # noqa: PLC0415
            HeadRecipe,
            train_head,
        )
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    recipe = HeadRecipe(
        photos=_photos(parsed),
        marks=_marks(parsed),
        encoder=load_encoder_folder(ENCODERS.find(parsed.encoder, parsed.data)),
        pairs=parsed.pairs,
        seed=parsed.seed,
        threads=parsed.threads,
        max_false_positive_ratio=parsed.max_false_positive_ratio,
    )
    train_head(recipe, parsed.out)


_TRAININGS = {
    WatermarkBackend.ONNXRUNTIME: _train_network,
    WatermarkBackend.EMBEDDER: _train_head,
}

# Options that one of the trainings alone has.
_OPTIONS = {
    WatermarkBackend.ONNXRUNTIME: (
        *("resume", "variant", "device", "unfreeze", "steps", "batch"),
        *("measure_every", "save_every", "workers"),
    ),
    WatermarkBackend.EMBEDDER: ("encoder", "pairs"),
}


def _refuse_others(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """Ends with status 2 if an option was given that the other training has."""
    for backend, names in _OPTIONS.items():
        for name in names:
            given = getattr(parsed, name) != parser.get_default(name)
            if given and backend != parsed.backend:
                option = f"--{name.replace('_', '-')}"
                parser.error(f"{option} is for --backend {backend}")


def _missing(error: ModuleNotFoundError) -> Misconfigured:
    return Misconfigured(
        f"training needs {error.name}, which is not installed: see the train extra"
    )


def _photos(parsed: argparse.Namespace) -> PhotoFolders:
    return PhotoFolders(
        training=tuple(parsed.photos),
        held_out=tuple(parsed.held_out),
        clean=tuple(parsed.clean),
        marked=tuple(parsed.marked),
    )


def _marks(parsed: argparse.Namespace) -> Marks:
    from services.watermark.train.marks import Marks  # noqa: PLC0415

    return Marks(
        fonts=tuple(parsed.fonts),
        held_out_fonts=tuple(parsed.held_out_fonts),
        left_out=frozenset(parsed.without_kinds),
    )


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
        "--backend",
        choices=list(_TRAININGS),
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
        help="train the first three blocks too: a step takes 1.4 times as long on a CPU",
    )
    parser.add_argument(
        "--max-false-positive-ratio",
        type=_ratio,
        default=MAX_FALSE_POSITIVE_RATIO,
        metavar="SHARE",
        help="clean images that may be lost: sets the threshold (default 0.02)",
    )
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
    parser.add_argument(name, type=_at_least(lowest), default=default, metavar="N", help=meaning)


def _ratio(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        message = f"{text} is not in [0, 1)"
        raise argparse.ArgumentTypeError(message)
    return value


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
