"""The whole training, from folders of photos to a detector folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
import torch

from services.watermark.detector_folder import (
    QUADRANTS,
    DetectorDescription,
    write_detector_folder,
)
from services.watermark.evaluate.second_generator import SecondGenerator
from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.generator import MarkGenerator
from services.watermark.synthesis.lettering import Lettering, find_fonts
from services.watermark.synthesis.texts import HELD_OUT_TEXTS, TRAINING_TEXTS
from services.watermark.train.batches import BatchSource
from services.watermark.train.calibration import Calibration, Known, calibrate
from services.watermark.train.curves import draw_curves
from services.watermark.train.export import calibrated_model
from services.watermark.train.fitting import FitPlan, Fitting
from services.watermark.train.held_out import (
    HeldOutImages,
    draw_held_out,
    smooth_maximum,
    tile_log_odds,
)
from services.watermark.train.network import TileNetwork, Variant, quadrants_of
from services.watermark.train.photos import Photo, PhotoFolders, Role, find_photos
from services.watermark.train.tiles import UNKNOWN

METRICS_FILE = "metrics.json"

_CALIBRATION_SEED = 1
_TEST_SEED = 2
_CALIBRATION_ROUNDS = 4
_TEST_PHOTOS_MAX = 120


@dataclass(frozen=True, slots=True)
class Fonts:
    """Folders of fonts; none means the font inside Pillow.

    Attributes:
        training: To train with.
        held_out: To calibrate and test with.
    """

    training: tuple[Path, ...]
    held_out: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a detector is made of.

    Attributes:
        photos: Where the photos are.
        fonts: What the marks are written in.
        seed: Of everything random.
        plan: How long.
        batch: Tiles per step.
        variant: How images are cut.
        threads: CPU threads of the network; the marks are drawn by one process more.
    """

    photos: PhotoFolders
    fonts: Fonts
    seed: int
    plan: FitPlan
    batch: int
    variant: Variant
    threads: int


def train_detector(recipe: Recipe, out: Path, *, resume: bool) -> None:
    """Trains, calibrates and measures; leaves a detector folder with `metrics.json`, `curves.png` and a checkpoint.

    With one thread, the same recipe gives the same files on one machine, interrupted or not: each batch hangs on the
    seed and its step alone. Several threads may add up in another order.

    Raises:
        Misconfigured: The photos are missing or too few, or there is no checkpoint to resume from.
        NothingLearnt: The network cannot tell marked from clean photos.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    photos = find_photos(recipe.photos)
    fitting = _fitting(recipe, photos, out)
    if resume:
        fitting.resume()
    lettering = Lettering(find_fonts(recipe.fonts.held_out), HELD_OUT_TEXTS)
    generators: dict[str, MarkGenerator] = {
        "first": DrawnMarks(lettering),
        "second": SecondGenerator(),
    }
    test = _drawn_on(photos, Role.TEST)[:_TEST_PHOTOS_MAX]
    grid = recipe.variant.grid
    images = draw_held_out(test, generators, grid=grid, seed=recipe.seed + _TEST_SEED)
    fitting.run(images.measure, lambda history: draw_curves(history, out))
    calibration = _calibration(recipe, photos, fitting.network)
    _write(recipe, out, fitting, calibration, _counts(photos))


def _fitting(recipe: Recipe, photos: Sequence[Photo], out: Path) -> Fitting:
    source = BatchSource(
        photos=_drawn_on(photos, Role.TRAIN),
        labelled=[photo for photo in photos if photo.labelled and photo.role is Role.TRAIN],
        generator=DrawnMarks(Lettering(find_fonts(recipe.fonts.training), TRAINING_TEXTS)),
        grid=recipe.variant.grid,
        tiles=recipe.batch,
        seed=recipe.seed,
    )
    return Fitting(TileNetwork(), source, recipe.plan, out, _identity(recipe, photos))


def _identity(recipe: Recipe, photos: Sequence[Photo]) -> dict[str, Any]:
    return {
        "seed": recipe.seed,
        "steps": recipe.plan.steps,
        "batch": recipe.batch,
        "variant": recipe.variant.value,
        "photos": sum(photo.role is Role.TRAIN for photo in photos),
    }


def _drawn_on(photos: Sequence[Photo], role: Role) -> list[Photo]:
    return [photo for photo in photos if photo.role is role and not photo.labelled]


def _calibration(recipe: Recipe, photos: Sequence[Photo], network: TileNetwork) -> Calibration:
    lettering = Lettering(find_fonts(recipe.fonts.held_out), HELD_OUT_TEXTS)
    images = draw_held_out(
        _drawn_on(photos, Role.CALIBRATE),
        {"first": DrawnMarks(lettering)},
        grid=recipe.variant.grid,
        seed=recipe.seed + _CALIBRATION_SEED,
        rounds=_CALIBRATION_ROUNDS,
    )
    return calibration_on(network, images)


def calibration_on(network: TileNetwork, images: HeldOutImages) -> Calibration:
    """Calibrates on images with and without marks; hard negatives are left out.

    Raises:
        NothingLearnt: The network's log-odds do not rise from clean to marked images.
    """
    tiles = tile_log_odds(network, images.pixels, images.grid)
    quadrants = quadrants_of(torch.from_numpy(tiles), images.grid).numpy().ravel()
    labels = images.quadrants.ravel()
    known = labels != UNKNOWN
    usual = ~images.hard_negative
    return calibrate(
        Known(smooth_maximum(tiles)[usual], images.marked[usual]),
        Known(quadrants[known], labels[known] == 1),
    )


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
        training={**fitting.identity, "photos": counts},
    )
    write_detector_folder(out, model, description)
    metrics = {"held_out": fitting.history[-1], "calibration": asdict(calibration)}
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n")
    structlog.get_logger().info("written", out=str(out), threshold=calibration.threshold)


def _counts(photos: Sequence[Photo]) -> dict[str, dict[str, int]]:
    by_source: dict[str, dict[str, int]] = {}
    for photo in photos:
        roles = by_source.setdefault(photo.source, {})
        roles[photo.role.value] = roles.get(photo.role.value, 0) + 1
    return by_source
