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
        Misconfigured: No photo is readable, or `out` is not empty or cannot be written.
    """
    _make_folders(out)
    turns = photos.each() if plan.count is None else photos.turns(plan.count)
    written = 0
    with (out / LABELS_FILE).open("w", encoding="utf-8") as labels:
        for index, (path, photo) in enumerate(turns):
            rng = np.random.default_rng((plan.seed, index))
            kind = plan.kinds[index % len(plan.kinds)] if plan.kinds else marks.choose_kind(rng)
            pair = make_pair(photo, marks, kind, rng)
            name = f"{index:06d}{pair.encoding.suffix}"
            (out / "clean" / name).write_bytes(pair.encoding.encode(pair.clean))
            (out / "marked" / name).write_bytes(pair.encoding.encode(pair.drawn.pixels))
            label = {
                "name": name,
                **label_of(pair),
                "photo": shown(path.relative_to(photos.folder).as_posix()),
                "seed": [plan.seed, index],
            }
            labels.write(json.dumps(label, ensure_ascii=False) + "\n")
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
