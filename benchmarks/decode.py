"""Decoding: ways from a JPEG to a network's input, their CPU time and what they do to embeddings.

JSON on standard output, lines for people on standard error. The ways take turns on each photo, so that what else the
machine does falls on all of them. Other decoders are compared if they are installed:
`pip install simplejpeg opencv-python-headless pyvips pyvips-binary cykooz-resizer`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# Read once, when libvips is loaded.
os.environ.setdefault("VIPS_CONCURRENCY", "1")

from benchmarks.decoding.likeness import bundled_encoder, likenesses
from benchmarks.decoding.other_ways import other_ways
from benchmarks.decoding.pictures import Jpeg, at_1024_px, read_jpegs
from benchmarks.decoding.pillow_ways import all_pixels, pillow_ways
from benchmarks.decoding.way import Way
from benchmarks.fetching.photos import draw_photos
from benchmarks.serving.machine import machine_facts

SIDES_PX = (224, 448)
"""The inputs of the encoder and of the watermark detector."""

_SEED = 2026
_FIRST = Way("Pillow, all pixels, bicubic", all_pixels)


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    photos = read_jpegs(options.photos or [_drawn(options.count)])
    small = at_1024_px(photos)
    ways, missing = other_ways()
    ways = [_FIRST, *pillow_ways(), *ways]
    _tell_ways(ways, missing)
    report = {
        "milliseconds": {
            "1024 px": timed(ways, small[: options.count], options.repeats),
            "2 to 4 MP": timed(ways, _middling(photos, options.count), options.repeats),
        },
        "cosines": {"as they are": _likeness(ways, photos), "1024 px": _likeness(ways, small)},
        "not_installed": missing,
        "machine": machine_facts("pillow", "numpy", "onnxruntime"),
    }
    print(json.dumps(report, indent=2))
    _tell(report)
    return 0


def timed(ways: Sequence[Way], photos: Sequence[Jpeg], repeats: int) -> dict[str, dict[str, float]]:
    """CPU milliseconds of an image by side of the input and way: the mean over the photos of the median turn."""
    return {
        str(side_px): {
            name: round(statistics.fmean(costs), 2)
            for name, costs in _costs(ways, photos, side_px, repeats).items()
        }
        for side_px in SIDES_PX
        if photos
    }


def _costs(
    ways: Sequence[Way], photos: Sequence[Jpeg], side_px: int, repeats: int
) -> dict[str, list[float]]:
    costs: dict[str, list[float]] = {way.name: [] for way in ways}
    for number, photo in enumerate(photos):
        size = f"{photo.width_px} x {photo.height_px} to {side_px} px"
        print(f"timing {size}, photo {number + 1} of {len(photos)}", file=sys.stderr)
        turns = [[_cost(way, photo, side_px) for way in ways] for _ in range(repeats)]
        for way, of_way in zip(ways, zip(*turns, strict=True), strict=True):
            costs[way.name].append(statistics.median(of_way))
    return costs


def _cost(way: Way, photo: Jpeg, side_px: int) -> float:
    start_s = time.process_time()
    way.input_of(photo.encoded, side_px)
    return (time.process_time() - start_s) * 1e3


def _likeness(ways: Sequence[Way], photos: Sequence[Jpeg]) -> dict[str, dict[str, Any]]:
    print(f"embedding {len(photos)} photos by each way", file=sys.stderr)
    found = likenesses(bundled_encoder(), ways[1:], photos)
    return {name: likeness.facts() for name, likeness in found.items() if photos}


def _middling(photos: Sequence[Jpeg], count: int) -> list[Jpeg]:
    return [photo for photo in photos if photo.is_middling][:count]


def _drawn(count: int) -> Path:
    cache = Path(tempfile.gettempdir()) / f"lodestone-bench-photos-{_SEED}"
    print(f"drawing {count} photos into {cache}, if they are not there yet", file=sys.stderr)
    draw_photos(cache, count, seed=_SEED)
    return cache


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, action="append", help="a folder of JPEGs; repeats")
    parser.add_argument("--count", type=int, default=12, help="photos of each size that are timed")
    parser.add_argument("--repeats", type=int, default=5, help="turns for each photo")
    options = parser.parse_args()
    if min(options.count, options.repeats) < 1:
        parser.error("at least one photo and one turn are needed")
    return options


def _tell_ways(ways: Sequence[Way], missing: Iterable[str]) -> None:
    """A line for each: they take turns on every photo, so that none is done before the others."""
    for number, way in enumerate(ways):
        print(f"way {number + 1} of {len(ways)}: {way.name}", file=sys.stderr)
    for name in missing:
        print(f"left out, not installed: {name}", file=sys.stderr)


def _tell(report: dict[str, Any]) -> None:
    for size, sides in report["milliseconds"].items():
        for side_px, costs in sides.items():
            for name, cost in costs.items():
                ratio = costs[_FIRST.name] / cost
                print(
                    f"{size} to {side_px}: {cost:6.2f} ms, {ratio:4.2f} x: {name}", file=sys.stderr
                )
    for size, facts in report["cosines"].items():
        for name, one in facts.items():
            numbers = (one["cosine_min"], one["cosine_p1"], one["cosine_median"])
            print(f"{size}: least, 1 %, median {numbers}: {name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
