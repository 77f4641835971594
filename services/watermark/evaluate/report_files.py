"""What an evaluation leaves in a folder: `evaluation.json`, and small pictures of what went worst."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from services.servicekit.errors import Misconfigured
from services.watermark.detector_folder import DetectorDescription
from services.watermark.evaluate.evaluation import Evaluation, worst_alarms, worst_misses
from services.watermark.evaluate.judged_image import JudgedImage, Truth
from services.watermark.writing import replacing

EVALUATION_FILE: Final = "evaluation.json"
_WORST: Final = 24


def make_folder(out: Path) -> None:
    """Makes the folder: found out before the work, not after it.

    Raises:
        Misconfigured: It cannot be made.
    """
    try:
        (out / "worst").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{out}: cannot be made: {error.strerror or type(error).__name__}"
        raise Misconfigured(message) from error


def write_evaluation(
    out: Path,
    evaluation: Evaluation,
    judged: Sequence[JudgedImage],
    detector: DetectorDescription,
) -> None:
    """Writes the numbers, and the pictures that they name.

    Raises:
        FileNotWritten: The disk is full, for example.
    """
    worst = {
        "misses": _pictures(out, "miss", worst_misses(judged, _WORST)),
        "false_alarms": _pictures(out, "alarm", worst_alarms(judged, Truth.CLEAN, _WORST)),
        "hard_negatives": _pictures(
            out, "negative", worst_alarms(judged, Truth.HARD_NEGATIVE, _WORST)
        ),
    }
    facts = {
        "detector": {"name": detector.name, "detector_id": detector.detector_id},
        "images": len(judged),
        "photos": len({image.facts.photo for image in judged}),
        **asdict(evaluation),
        "goals": [{**asdict(goal), "met": goal.met} for goal in evaluation.goals],
        "worst": worst,
    }
    _write(out / EVALUATION_FILE, facts)


def write_heat(out: Path, facts: Mapping[str, Any], thumbnail: bytes) -> None:
    """Writes what a detector says of the quadrants of one image: `heat.json` and the image itself.

    Raises:
        FileNotWritten: The disk is full, for example.
    """
    _write_bytes(out / "heat.jpg", thumbnail)
    _write(out / "heat.json", facts)


def _pictures(out: Path, word: str, images: Sequence[JudgedImage]) -> list[dict[str, Any]]:
    entries = []
    for place, image in enumerate(images):
        name = f"worst/{word}-{place:02d}.jpg"
        _write_bytes(out / name, image.thumbnail)
        entries.append({"picture": name, "probability": image.probability, **asdict(image.facts)})
    return entries


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    _write_bytes(path, (json.dumps(facts, indent=1) + "\n").encode())


def _write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as draft:
        draft.write_bytes(content)
