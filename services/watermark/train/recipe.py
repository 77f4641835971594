"""The whole training, from folders of photos to a detector folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch

from services.servicekit.inference.backend import BackendName
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.watermark.detector_folder import (
    QUADRANTS,
    DetectorDescription,
    write_detector_folder,
)
from services.watermark.train.body import Body
from services.watermark.train.calibration import calibrate
from services.watermark.train.evaluation import Metrics, evaluate
from services.watermark.train.export import (
    calibrated_model,
    early_features_model,
    tile_logits_model,
)
from services.watermark.train.fitting import FitPlan, fit_network
from services.watermark.train.judging import Judged, judge_photo
from services.watermark.train.lettering import (
    HELD_OUT_TEXTS,
    TRAINING_TEXTS,
    Lettering,
    find_fonts,
)
from services.watermark.train.mark import MarkKind
from services.watermark.train.network import QuadrantNetwork
from services.watermark.train.photos import Photo, PhotoFolders, Role, find_photos
from services.watermark.train.synthesis import INPUT
from services.watermark.train.tiles import TrainingTiles, make_training_tiles

ARCHITECTURE = "efficientnet-lite0/blocks-0-10 + place head, 4 tiles of 224x224"
METRICS_FILE = "metrics.json"

_BATCH = 32
_CALIBRATION_SEED = 1
_TEST_SEED = 2


@dataclass(frozen=True, slots=True)
class Fonts:
    """Folders of fonts; none means the font inside Pillow.

    Attributes:
        training: To train and calibrate with.
        held_out: To test with.
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
        pairs: Synthesised pairs to train on.
        epochs: Passes over them.
        threads: CPU threads.
    """

    photos: PhotoFolders
    fonts: Fonts
    seed: int
    pairs: int
    epochs: int
    threads: int


def train_detector(recipe: Recipe, out: Path) -> Metrics:
    """Trains, calibrates, measures and writes `model.onnx`, `detector.json` and `metrics.json` into `out`.

    Raises:
        Misconfigured: The photos are missing or too few.
        NothingLearnt: The network cannot tell marked from clean photos.
    """
    torch.set_num_threads(recipe.threads)
    log = structlog.get_logger()
    photos = find_photos(recipe.photos)
    training = Lettering(find_fonts(recipe.fonts.training), TRAINING_TEXTS)
    testing = Lettering(find_fonts(recipe.fonts.held_out), HELD_OUT_TEXTS)
    body = Body()
    tiles = _training_tiles(body, [p for p in photos if p.role is Role.TRAIN], training, recipe)
    log.info("tiles", tiles=len(tiles.marked), marked=float(tiles.marked.mean()))
    head = fit_network(body, tiles, FitPlan(recipe.epochs, _BATCH, recipe.seed))
    network = QuadrantNetwork(body, head)
    judge = _Judge(_loaded(tile_logits_model(network), recipe.threads), recipe.seed)
    calibration_photos = [photo for photo in photos if photo.role is Role.CALIBRATE]
    calibration = calibrate(judge.all(calibration_photos, training, _CALIBRATION_SEED))
    log.info("calibrated", threshold=calibration.threshold)
    model = calibrated_model(network, calibration)
    test_photos = [photo for photo in photos if photo.role is Role.TEST]
    judged = judge.all(test_photos, testing, _TEST_SEED)
    ordinary = [folder.name for folder in (*recipe.photos.training, *recipe.photos.held_out)]
    metrics = evaluate(judged, calibration, shared_sources=ordinary)
    counts = _counts(photos, training, testing, tiles)
    description = DetectorDescription(
        name=out.name,
        detector_id=hashlib.sha256(model).hexdigest(),
        input_width_px=INPUT.width_px,
        input_height_px=INPUT.height_px,
        quadrants=QUADRANTS,
        threshold=calibration.threshold,
        architecture=ARCHITECTURE,
        training={"seed": recipe.seed, "pairs": recipe.pairs, "epochs": recipe.epochs, **counts},
    )
    write_detector_folder(out, model, description)
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n")
    log.info("written", out=str(out), **metrics["all"])
    return metrics


class _Judge:
    """Judges photos with one network; each photo's marks come from its own random numbers."""

    def __init__(self, backend: OnnxRuntimeBackend, seed: int) -> None:
        self._backend = backend
        self._seed = seed

    def all(self, photos: Sequence[Photo], lettering: Lettering, purpose: int) -> list[Judged]:
        kinds = tuple(MarkKind)
        judged: list[Judged] = []
        for index, photo in enumerate(photos):
            judged.extend(
                judge_photo(
                    photo,
                    () if photo.marked else kinds,
                    lettering=lettering,
                    logits_of=lambda pixels: self._backend.run(pixels)[0],
                    rng=np.random.default_rng((self._seed, purpose, index)),
                )
            )
        return judged


def _training_tiles(
    body: Body, photos: Sequence[Photo], lettering: Lettering, recipe: Recipe
) -> TrainingTiles:
    backend = _loaded(early_features_model(body), recipe.threads)
    return make_training_tiles(
        photos,
        lettering,
        lambda pixels: backend.run(pixels)[0],
        pairs=recipe.pairs,
        seed=recipe.seed,
    )


def _loaded(model: bytes, threads: int) -> OnnxRuntimeBackend:
    """ONNX Runtime computes what is not trained: several times as fast as torch on a CPU."""
    return OnnxRuntimeBackend(model, backend=BackendName.ONNXRUNTIME, threads=threads)


def _counts(
    photos: Sequence[Photo], training: Lettering, testing: Lettering, tiles: TrainingTiles
) -> dict[str, Any]:
    by_source: dict[str, dict[str, int]] = {}
    for photo in photos:
        roles = by_source.setdefault(photo.source, {})
        roles[photo.role.value] = roles.get(photo.role.value, 0) + 1
    return {
        "tiles": len(tiles.marked),
        "fonts": {"training": len(training.fonts), "held_out": len(testing.fonts)},
        "photos": by_source,
    }
