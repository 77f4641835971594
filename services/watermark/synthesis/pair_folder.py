"""Writes pairs as files: `clean/` and `marked/` with the same names, and `labels.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.servicekit.errors import Misconfigured
from services.watermark.synthesis.drawn_marks import DrawnMarks
from services.watermark.synthesis.pair import Pair, make_pair
from services.watermark.synthesis.photo_file import shown
from services.watermark.synthesis.photo_folder import PhotoFolder
from services.watermark.writing import replacing, writing

LABELS_FILE = "labels.jsonl"


@dataclass(frozen=True, slots=True)
class PairPlan:
    """Which pairs to write.

    Attributes:
        count: How many; None is one of each photo that can be read.
        seed: Of everything random.
        kinds: Kinds of mark, in turn; empty lets chance choose among all.
    """

    count: int | None
    seed: int
    kinds: Sequence[str] = ()


def write_pairs(photos: PhotoFolder, marks: DrawnMarks, plan: PairPlan, out: Path) -> int:
    """Writes the pairs; the same photos, fonts and plan give the same bytes.

    Returns:
        How many.

    Raises:
        Misconfigured: No photo is readable, or `out` is not empty or cannot be made.
        FileNotWritten: The disk is full, for example.
    """
    _make_folders(out)
    turns = photos.each() if plan.count is None else photos.turns(plan.count)
    written = 0
    for path, photo in turns:
        rng = np.random.default_rng((plan.seed, written))
        kind = plan.kinds[written % len(plan.kinds)] if plan.kinds else marks.choose_kind(rng)
        pair = make_pair(photo, marks, kind, rng)
        name = f"{written:06d}{pair.encoding.suffix}"
        label = {
            "name": name,
            **label_of(pair),
            "photo": shown(path.relative_to(photos.folder).as_posix()),
            "seed": [plan.seed, written],
        }
        _write_pair(pair, label, out)
        written += 1
    return written


def label_of(pair: Pair) -> dict[str, object]:
    """What is known of a pair's mark; its box in pixels of the image as it is saved: left, top, right, bottom."""
    drawn, (height_px, width_px) = pair.drawn, pair.drawn.mask.shape
    across, down = pair.encoding.size[0] / width_px, pair.encoding.size[1] / height_px
    box = drawn.box
    return {
        "kind": drawn.kind,
        "opacity": round(drawn.opacity, 4),
        "width_ratio": round(drawn.width_ratio, 4),
        "box": [round(side * by) for side, by in zip(box, (across, down) * 2, strict=True)]
        if box
        else None,
        "text": drawn.text,
        "negative": pair.negative,
    }


def _write_pair(pair: Pair, label: dict[str, object], out: Path) -> None:
    for folder, pixels in (("clean", pair.clean), ("marked", pair.drawn.pixels)):
        path = out / folder / str(label["name"])
        encoded = pair.encoding.encode(pixels)
        with replacing(path) as draft:
            draft.write_bytes(encoded)
    path = out / LABELS_FILE
    with writing(path), path.open("a", encoding="utf-8") as labels:
        labels.write(json.dumps(label, ensure_ascii=False) + "\n")


def _make_folders(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            message = f"{out}: is not empty; give a new folder"
            raise Misconfigured(message)
        (out / "clean").mkdir()
        (out / "marked").mkdir()
    except OSError as error:
        message = f"{out}: cannot be made: {error.strerror or type(error).__name__}"
        raise Misconfigured(message) from error
