from __future__ import annotations

import io

import numpy as np
from PIL import Image

from services.watermark.detector import Detector
from services.watermark.evaluate.evaluation import (
    evaluation_of,
    judge_images,
    worst_alarms,
    worst_misses,
)
from services.watermark.evaluate.judged_image import Truth
from tests.watermark.detectors import BrightnessBackend, fake_folder
from tests.watermark.evaluate.judged import clean, hard_negative, marked


def test_images_are_judged_in_their_order():
    """Any size, in batches; each with a small picture of itself."""
    backend = BrightnessBackend()
    detector = Detector(fake_folder(), backend, threshold=None)
    facts = clean(0).facts
    images = [(facts, np.full((30, 700, 3), 20 * place, np.uint8)) for place in range(10)]
    backend.batch_sizes.clear()

    judged = list(judge_images(images, detector))

    assert [round(255 * one.probability) for one in judged] == [20 * place for place in range(10)]
    assert backend.batch_sizes == [8, 2]
    assert Image.open(io.BytesIO(judged[0].thumbnail)).size == (320, 14)


def test_everything_is_measured():
    """Goals, groups, sources, hard negatives, curves, reliability, and the threshold that would fit."""
    judged = [clean(place / 100, f"{place}") for place in range(50)]
    judged += [marked(0.9), marked(0.8, generator="second"), hard_negative(0.7)]

    evaluation = evaluation_of(judged, threshold=0.75, max_false_positive_ratio=0.02)

    assert {goal.words.split(",")[0] for goal in evaluation.goals} >= {"first", "second"}
    assert evaluation.groups[0].rates.auc.value == 1.0
    assert evaluation.sources[0].images == 50
    assert (evaluation.hard_negatives[0].name, evaluation.hard_negatives[0].flagged) == (
        "first: frame",
        0,
    )
    assert len(evaluation.curves) == 2
    assert sum(one.images for one in evaluation.reliability) == 52
    assert evaluation.fitting_threshold == 0.48


def test_the_worst_are_one_a_photo():
    """Misses from the lowest probability on, alarms from the highest; hard negatives by themselves."""
    judged = [marked(0.3, "a"), marked(0.1, "a"), marked(0.2, "b"), marked(0.9, "c")]
    judged += [clean(0.6, "a"), hard_negative(0.8, "a"), clean(0.7, "b")]

    assert [one.probability for one in worst_misses(judged, 2)] == [0.1, 0.2]
    assert [one.probability for one in worst_alarms(judged, Truth.CLEAN, 5)] == [0.7, 0.6]
    assert [one.probability for one in worst_alarms(judged, Truth.HARD_NEGATIVE, 5)] == [0.8]
