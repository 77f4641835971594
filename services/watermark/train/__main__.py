"""`python -m services.watermark.train --photos DIR... --out DIR`: photos in, a detector folder out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.errors import LodestoneError, Misconfigured
from services.watermark.command_line import configure_notes, fail, print_object
from services.watermark.config import WatermarkBackend
from services.watermark.detector_folder import check_name
from services.watermark.synthesis.lettering import find_fonts
from services.watermark.synthesis.photo_file import shown
from services.watermark.train.claim import CHECKPOINT_FILE, claim_folder
from services.watermark.train.options import parse_options
from services.watermark.train.photos import PhotoFolders
from services.watermark.train.progress import Progress, Tell, Trained, rates_in_words
from services.watermark.train.stopping import Stopped, ended_by_signals, stopped_by_signals

if TYPE_CHECKING:
    from services.watermark.train.marks import Marks


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 written, 1 failed, 2 a wrong command line, 128 and a signal's number."""
    parsed = parse_options(arguments)
    configure_notes("train", as_json=parsed.json)
    tell = _print_progress if parsed.json else _note_progress
    try:
        check_name(parsed.out.name)
        with stopped_by_signals(), claim_folder(parsed.out):
            trained = _TRAININGS[parsed.backend](parsed, tell)
    except LodestoneError as error:
        return fail(error, 1)
    except OSError as error:
        return fail(f"{error.filename or parsed.out}: {error.strerror}", 1)
    except Stopped as stop:
        sys.stderr.write(f"{_how_to_go_on(parsed)}\n")
        return 128 + stop.number
    _report(parsed.out, trained, as_json=parsed.json)
    return 0


def _print_progress(progress: Progress) -> None:
    print_object(progress.facts())


def _note_progress(progress: Progress) -> None:
    sys.stderr.write(f"{progress.line()}\n")


def _report(out: Path, trained: Trained, *, as_json: bool) -> None:
    if as_json:
        print_object({"folder": shown(str(out)), **asdict(trained)})
        return
    said = [f"threshold {trained.threshold:.4g}", *rates_in_words(trained.held_out)]
    sys.stdout.write(f"{shown(str(out))}: {'; '.join(said)}\n")


def _how_to_go_on(parsed: argparse.Namespace) -> str:
    if (parsed.out / CHECKPOINT_FILE).exists():
        return "stopped; go on with --resume"
    has_none = parsed.backend == WatermarkBackend.EMBEDDER
    return "stopped" if has_none else "stopped before the first checkpoint"


def _train_network(parsed: argparse.Namespace, tell: Tell) -> Trained:
    # cuBLAS reads it when it starts (https://docs.nvidia.com/cuda/cublas, "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # torch takes seconds to import and may not be there: a wrong command line is told before.
    try:
        with ended_by_signals():
            from services.watermark.train.fitting import FitPlan  # noqa: PLC0415
            from services.watermark.train.network import Variant  # noqa: PLC0415
            from services.watermark.train.recipe import Recipe, train_detector  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error, "train") from error
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
            precision=parsed.precision,
        ),
        batch=parsed.batch,
        variant=Variant(parsed.variant),
        threads=parsed.threads,
        max_false_positive_ratio=parsed.max_false_positive_ratio,
    )
    return train_detector(recipe, parsed.out, resume=parsed.resume, tell=tell)


def _train_head(parsed: argparse.Namespace, tell: Tell) -> Trained:
    try:
        with ended_by_signals():
            from services.watermark.train.embedder_head.recipe import (  # noqa: PLC0415
                HeadRecipe,
                train_head,
            )
    except ModuleNotFoundError as error:
        raise _missing(error, "head") from error
    recipe = HeadRecipe(
        photos=_photos(parsed),
        marks=_marks(parsed),
        encoder=load_encoder_folder(ENCODERS.find(parsed.encoder, parsed.data)),
        pairs=parsed.pairs,
        seed=parsed.seed,
        threads=parsed.threads,
        max_false_positive_ratio=parsed.max_false_positive_ratio,
    )
    return train_head(recipe, parsed.out, tell)


_TRAININGS = {
    WatermarkBackend.ONNXRUNTIME: _train_network,
    WatermarkBackend.EMBEDDER: _train_head,
}


def _missing(error: ModuleNotFoundError, extra: str) -> Misconfigured:
    cure = f".venv/bin/pip install -c constraints.txt -e '.[{extra}]'"
    return Misconfigured(f"training needs {error.name}; in the checkout: {cure}")


def _photos(parsed: argparse.Namespace) -> PhotoFolders:
    return PhotoFolders(
        training=tuple(parsed.photos),
        calibrate=tuple(parsed.calibrate),
        held_out=tuple(parsed.held_out),
        clean=tuple(parsed.clean),
        marked=tuple(parsed.marked),
    )


def _marks(parsed: argparse.Namespace) -> Marks:
    from services.watermark.train.marks import Marks  # noqa: PLC0415

    return Marks(
        fonts=find_fonts(parsed.fonts),
        held_out_fonts=find_fonts(parsed.held_out_fonts),
        left_out=frozenset(parsed.without_kinds),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
