"""The whole training, from folders of photos to a detector folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from services.servicekit.resize import InputShape
from services.watermark.detector_folder import (
    QUADRANTS,
    DetectorDescription,
    write_detector_folder,
)
from services.watermark.evaluate.threshold import MAX_FALSE_POSITIVE_RATIO
from services.watermark.train.batches import BatchSource
from services.watermark.train.calibration import Calibration
from services.watermark.train.claim import refuse_other_variant, refuse_trained
from services.watermark.train.curves import draw_curves
from services.watermark.train.export import calibrated_model
from services.watermark.train.fitting import FitPlan, Fitting
from services.watermark.train.held_out import calibration_on, measure
from services.watermark.train.held_out_images import calibration_images, test_images
from services.watermark.train.marks import Marks
from services.watermark.train.metrics_file import write_metrics
from services.watermark.train.network import TileNetwork, Variant
from services.watermark.train.photos import (
    Photo,
    PhotoFolders,
    Role,
    count_by_source,
    drawn_on,
    find_photos,
)
from services.watermark.train.progress import Pace, Tell, Trained, silent


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a detector is made of.

    Attributes:
        photos: Where the photos are.
        marks: What is drawn on them.
        seed: Of everything random.
        plan: How long.
        batch: Tiles per step.
        variant: How images are cut.
        threads: CPU threads of the network; the marks are drawn by other processes.
        max_false_positive_ratio: The share of clean images that may be lost, [0, 1).
    """

    photos: PhotoFolders
    marks: Marks
    seed: int
    plan: FitPlan
    batch: int
    variant: Variant
    threads: int
    max_false_positive_ratio: float = MAX_FALSE_POSITIVE_RATIO


def train_detector(recipe: Recipe, out: Path, *, resume: bool, tell: Tell = silent) -> Trained:
    """Trains, calibrates and measures; leaves a detector folder with `metrics.json`, `curves.png` and a checkpoint.

    No clock is in the files: with one thread of a CPU, the same recipe gives the same ones on one machine, interrupted
    or not; of the checkpoint the same values. Each batch hangs on the seed and its step alone. Several threads may add
    up in another order. `tell` hears where it is.

    Raises:
        FolderTaken: The folder holds a training and is not resumed, or a detector of another variant.
        Misconfigured: The photos are missing or too few, or there is no checkpoint to resume from.
        PhotoLost: A photo is not what it was when the training began.
        NothingLearnt: The network cannot tell marked from clean photos.
    """
    if resume:
        refuse_other_variant(out, recipe.variant.value)
    else:
        refuse_trained(out, "give --resume to go on, or another folder")
    _make_repeatable(recipe)
    photos = find_photos(recipe.photos)
    fitting = _fitting(recipe, photos, out)
    if resume:
        fitting.resume()
    shape = InputShape(recipe.variant.side_px, recipe.variant.side_px)
    images = test_images(photos, recipe.marks, shape, recipe.seed)
    pace = Pace("step", recipe.plan.steps, tell)

    def show(history: list[dict[str, float]]) -> None:
        draw_curves(history, out)
        pace.measured(fitting.step, history[-1])

    fitting.run(lambda network: measure(network, images), show, pace.advance)
    images = calibration_images(photos, recipe.marks, shape, recipe.seed)
    calibration = calibration_on(fitting.network, images, recipe.max_false_positive_ratio)
    fitting.network.cpu()
    _write(recipe, out, fitting, calibration, count_by_source(photos))
    return Trained(calibration.threshold, fitting.history[-1])


def _make_repeatable(recipe: Recipe) -> None:
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    if recipe.plan.device != "cpu":
        torch.use_deterministic_algorithms(mode=True, warn_only=True)


def _fitting(recipe: Recipe, photos: Sequence[Photo], out: Path) -> Fitting:
    source = BatchSource(
        photos=drawn_on(photos, Role.TRAIN),
        labelled=[photo for photo in photos if photo.labelled and photo.role is Role.TRAIN],
        generator=recipe.marks.to_train(),
        grids=[variant.grid for variant in Variant],
        tiles=recipe.batch,
        seed=recipe.seed,
        left_out=recipe.marks.left_out,
    )
    return Fitting(TileNetwork(), source, recipe.plan, out, _identity(recipe, photos))


def _identity(recipe: Recipe, photos: Sequence[Photo]) -> dict[str, Any]:
    training = [photo for photo in photos if photo.role is Role.TRAIN]
    clean, marked = (
        [photo.digest for photo in training if photo.labelled and photo.marked is marked]
        for marked in (False, True)
    )
    return {
        "seed": recipe.seed,
        "steps": recipe.plan.steps,
        "batch": recipe.batch,
        "unfreeze": recipe.plan.unfreeze,
        "precision": recipe.plan.precision,
        "left_out": sorted(recipe.marks.left_out),
        "variant": recipe.variant.value,
        "photos": _counted([photo.digest for photo in training if not photo.labelled]),
        "clean": _counted(clean),
        "marked": _counted(marked),
        "fonts": _counted(recipe.marks.font_digests()),
    }


def _counted(digests: Sequence[str]) -> str:
    """How many there are, and the first 12 hex digits of a digest of all."""
    everything = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
    return f"{len(digests)} ({everything[:12]})"


def _write(
    recipe: Recipe,
    out: Path,
    fitting: Fitting,
    calibration: Calibration,
    counts: dict[str, dict[str, int]],
) -> None:
    model = calibrated_model(fitting.network, recipe.variant, calibration)
    side_px = recipe.variant.side_px
    description = DetectorDescription(
        name=out.name,
        detector_id=hashlib.sha256(model).hexdigest(),
        input_width_px=side_px,
        input_height_px=side_px,
        quadrants=QUADRANTS,
        threshold=calibration.threshold,
        architecture=f"efficientnet-lite0/blocks-0-10 + place head, {recipe.variant.grid**2} tiles of 224x224",
        training={
            **fitting.identity,
            "max_false_positive_ratio": recipe.max_false_positive_ratio,
            "sources": counts,
        },
    )
    write_detector_folder(out, model, description)
    write_metrics(out, fitting.history[-1], calibration)
