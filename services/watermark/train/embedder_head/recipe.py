"""The whole training of a head, from folders of photos and an encoder to a detector folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from services.servicekit.encoder_folder import EncoderFolder
from services.watermark.detector_folder import (
    QUADRANTS,
    DetectorDescription,
    DetectorKind,
    write_detector_folder,
)
from services.watermark.evaluate.threshold import MAX_FALSE_POSITIVE_RATIO
from services.watermark.train.calibration import Calibration
from services.watermark.train.claim import refuse_trained
from services.watermark.train.curves import draw_curves
from services.watermark.train.embedder_head.encoder import QuadrantEncoder
from services.watermark.train.embedder_head.examples import (
    ExamplePlan,
    Examples,
    embed_examples,
)
from services.watermark.train.embedder_head.head import Head, fit_head
from services.watermark.train.embedder_head.onnx_head import head_model
from services.watermark.train.held_out_images import (
    HeldOutImages,
    calibration_images,
    cross_entropy,
    smooth_maximum,
    test_images,
)
from services.watermark.train.marks import Marks
from services.watermark.train.metrics_file import write_metrics
from services.watermark.train.photos import Photo, PhotoFolders, count_by_source, find_photos
from services.watermark.train.progress import Pace, Tell, Trained, silent

_PENALTIES: Final = (0.003, 0.01, 0.03, 0.1, 0.3)
_CURVE_SHARES: Final = (0.1, 0.2, 0.4, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """What a head is made of.

    Attributes:
        photos: Where the photos are.
        marks: What is drawn on them.
        encoder: Whose embeddings it judges.
        pairs: Clean and marked images that are drawn.
        seed: Of everything random.
        threads: CPU threads of the encoder; 0 is one per core.
        max_false_positive_ratio: The share of clean images that may be lost, [0, 1).
    """

    photos: PhotoFolders
    marks: Marks
    encoder: EncoderFolder
    pairs: int
    seed: int
    threads: int
    max_false_positive_ratio: float = MAX_FALSE_POSITIVE_RATIO


class _Embedded(NamedTuple):
    images: HeldOutImages
    embeddings: npt.NDArray[np.float32]

    def report(self, head: Head) -> dict[str, float]:
        return self.images.report(smooth_maximum(head.log_odds(self.embeddings)))

    def calibration(self, head: Head, max_false_positive_ratio: float) -> Calibration:
        quadrants = head.log_odds(self.embeddings)
        scores = smooth_maximum(quadrants)
        return self.images.calibration(scores, quadrants, max_false_positive_ratio)


def train_head(recipe: HeadRecipe, out: Path, tell: Tell = silent) -> Trained:
    """Fits, calibrates and measures; leaves a detector folder with `metrics.json` and `curves.png`.

    `tell` hears where it is. The same recipe gives the same files on one machine.

    Raises:
        FolderTaken: The folder holds a training already.
        Misconfigured: The photos are missing or too few, or the encoder does not load.
        NothingLearnt: The embeddings do not tell marked from clean photos.
    """
    refuse_trained(out, "give another folder")
    photos = find_photos(recipe.photos)
    encoder = QuadrantEncoder(recipe.encoder, threads=recipe.threads)
    given = (photos, recipe.marks, encoder.shape, recipe.seed)
    calibrating, test = (
        _Embedded(images, encoder.embed(images.pixels))
        for images in (calibration_images(*given), test_images(*given))
    )
    plan = ExamplePlan(recipe.pairs, recipe.seed, tell)
    examples = embed_examples(photos, recipe.marks, encoder, plan)
    penalty = _choose_penalty(examples, calibrating)
    pace = Pace("pair", recipe.pairs, tell)
    head, history = _fit(examples, recipe.pairs, penalty, test, pace)
    draw_curves(history, out, along="pairs", trained_on="images")
    calibration = calibrating.calibration(head, recipe.max_false_positive_ratio)
    model = head_model(head, calibration)
    description = DetectorDescription(
        name=out.name,
        detector_id=hashlib.sha256(model).hexdigest(),
        input_width_px=encoder.shape.width_px,
        input_height_px=encoder.shape.height_px,
        threshold=calibration.threshold,
        quadrants=QUADRANTS,
        architecture=f"logistic regression over quadrants of {encoder.name}",
        training=_facts(recipe, penalty, photos),
        kind=DetectorKind.EMBEDDER_HEAD,
        encoder=encoder.facts,
    )
    write_detector_folder(out, model, description)
    write_metrics(out, history[-1], calibration)
    return Trained(calibration.threshold, history[-1])


def _choose_penalty(examples: Examples, calibrating: _Embedded) -> float:
    """The one under which marks are told best on photos that are not trained on."""
    reports = {penalty: calibrating.report(fit_head(examples, penalty)) for penalty in _PENALTIES}
    return max(reports, key=lambda penalty: reports[penalty]["first_auc"])


def _fit(
    examples: Examples, pairs: int, penalty: float, test: _Embedded, pace: Pace
) -> tuple[Head, list[dict[str, float]]]:
    """The head that knows all examples; and what heads that know more and more of the pairs are measured at."""
    labelled = len(examples.marked) - 2 * pairs
    history: list[dict[str, float]] = []
    for share in _CURVE_SHARES:
        count = round(pairs * share)
        known = examples.first(labelled + 2 * count)
        head = fit_head(known, penalty)
        loss = cross_entropy(smooth_maximum(head.log_odds(known.embeddings)), known.marked)
        history.append({"pairs": float(count), "loss": loss, **test.report(head)})
        pace.measured(count, history[-1])
    return head, history


def _facts(recipe: HeadRecipe, penalty: float, photos: Sequence[Photo]) -> dict[str, Any]:
    return {
        "seed": recipe.seed,
        "pairs": recipe.pairs,
        "penalty": penalty,
        "max_false_positive_ratio": recipe.max_false_positive_ratio,
        "left_out": sorted(recipe.marks.left_out),
        "sources": count_by_source(photos),
    }
