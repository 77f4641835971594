"""How often strangers match: perceptual hashes of parts of many photos, each against all those of other photos."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from services.crawler.seen.duplicate_index import MAX_DISTANCE_256
from services.crawler.seen.near_hashes import MAX_DISTANCE_64, Hashes, distances
from services.crawler.seen.perceptual_hash import fingerprint
from services.servicekit.image import Rgb

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
# Shares of each side that a part has.
_LEAST, _MOST = 0.45, 0.95
_RESAMPLES: Final = 400
_STORED: Final = (1_000_000, 10_000_000)
# Bits of 256 that wholes are apart which are one picture, or the same in other colours. By eye.
_ALIKE: Final = 80
# Bits of 64 up to which the 256 bits are looked at as well.
_LOOKED_AT: Final = 16

_PairCounts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PhotoHashes:
    """Hashes of whole photos and of parts of them; flat ones are left out.

    Attributes:
        photo: (n,): which photo.
        hashes64: (2, n): upright, mirrored.
        hashes256: (2, n, 4).
        flat_count: How many were flat.
    """

    photo: npt.NDArray[np.intp]
    hashes64: Hashes
    hashes256: Hashes
    flat_count: int


def read(folder: Path, parts: int, seed: int = 0) -> PhotoHashes:
    """Hashes each photo of a folder, and parts of it, which are other pictures of the same kind."""
    rng = np.random.default_rng(seed)
    photo, hashes64, hashes256, flat_count = [], [], [], 0
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    for number, path in enumerate(paths):
        rgb = np.asarray(PillowImage.open(io.BytesIO(path.read_bytes())).convert("RGB"))
        for part in (rgb, *(_part(rgb, rng) for _ in range(parts))):
            sides = fingerprint(part)
            if sides[0].flat:
                flat_count += 1
                continue
            photo.append(number)
            hashes64.append([side.hash64 for side in sides])
            hashes256.append([np.frombuffer(side.hash256, np.uint64) for side in sides])
    return PhotoHashes(
        np.array(photo),
        np.array(hashes64, np.uint64).T.copy(),
        np.array(hashes256, np.uint64).transpose(1, 0, 2).copy(),
        flat_count,
    )


def measure(hashes: PhotoHashes, seed: int = 1) -> dict[str, Any]:
    """Shares of pairs of strangers that match by the first hash, and by both, and what follows for millions.

    A pair is a picture that is looked up, with its mirror image, and a stored one of another photo. Photos that are
    nearly alike as wholes are no strangers: their pairs are left out. Intervals are those of drawing the photos again.
    """
    counts = _Counts.of(hashes)
    rng = np.random.default_rng(seed)
    report: dict[str, Any] = {
        "photos": len(counts.pairs),
        "pictures": len(hashes.photo),
        "flat": hashes.flat_count,
        "pairs": int(counts.pairs.sum()),
        "alike_photos": counts.alike_count,
        "distances_256_by_64": counts.distances(),
    }
    for name, near in (("by_64_bits", counts.near64), ("by_both", counts.near_both)):
        share = float(near.sum() / counts.pairs.sum())
        report[name] = {
            "share_of_pairs": share,
            "interval": _interval(near, counts.pairs, rng),
            "pairs_of_photos": int(np.triu(near + near.T).astype(bool).sum()),
            "expected_matches_of_a_lookup": {str(stored): stored * share for stored in _STORED},
        }
    return report


def _part(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    height, width = (np.array(rgb.shape[:2]) * rng.uniform(_LEAST, _MOST, 2)).astype(int)
    top = int(rng.integers(rgb.shape[0] - height + 1))
    left = int(rng.integers(rgb.shape[1] - width + 1))
    return np.ascontiguousarray(rgb[top : top + height, left : left + width])


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Pairs of strangers.

    Attributes:
        pairs: By the photo looked up and the photo stored: how many.
        near64: Those that match by 64 bits.
        near_both: Those that match by both.
        alike_count: Pairs of photos that are left out.
        by_distance: (65, 257): by distance of 64 and of 256 bits, of those up to 16 bits of 64 apart.
    """

    pairs: _PairCounts
    near64: _PairCounts
    near_both: _PairCounts
    alike_count: int
    by_distance: _PairCounts

    @classmethod
    def of(cls, hashes: PhotoHashes) -> _Counts:
        """Compares each with each."""
        sizes = np.bincount(hashes.photo)
        strangers = ~_alike(hashes)
        pairs = np.outer(sizes, sizes) * strangers
        near64, near_both = np.zeros_like(pairs), np.zeros_like(pairs)
        by_distance = np.zeros((65, 257), np.int64)
        for place, photo in enumerate(hashes.photo):
            # Of either side, (2, n).
            apart64 = distances(hashes.hashes64[:1], hashes.hashes64[:, place, None])
            near = (apart64 <= _LOOKED_AT) & strangers[photo, hashes.photo]
            sides, found = np.nonzero(near)
            of_both = distances(hashes.hashes256[0, found], hashes.hashes256[sides, place])
            apart256, apart64 = of_both.sum(axis=1), apart64[sides, found]
            np.add.at(by_distance, (apart64, apart256), 1)
            match64 = apart64 <= MAX_DISTANCE_64
            match = match64 & (apart256 <= MAX_DISTANCE_256)
            for counts, matching in ((near64, match64), (near_both, match)):
                np.add.at(counts[photo], hashes.photo[np.unique(found[matching])], 1)
        alike_count = int((~strangers).sum() - len(strangers)) // 2
        return cls(pairs, near64, near_both, alike_count, by_distance)

    def distances(self) -> dict[str, dict[str, float]]:
        """How many bits of 256 pairs are apart that are so many of 64 apart."""
        apart256 = np.arange(257)
        return {
            str(apart64): {
                "pairs": int(row.sum()),
                "least": int(np.flatnonzero(row)[0]),
                "mean": round(float(mean), 1),
                "deviation": round(
                    float(np.sqrt(np.average((apart256 - mean) ** 2, weights=row))), 1
                ),
            }
            for apart64, row in enumerate(self.by_distance)
            if row.any()
            for mean in [np.average(apart256, weights=row)]
        }


def _alike(hashes: PhotoHashes) -> npt.NDArray[np.bool_]:
    """By photo and photo: whether they are one, or nearly alike as wholes or mirrored."""
    photos, whole = np.unique(hashes.photo, return_index=True)
    alike = np.eye(int(photos[-1]) + 1, dtype=bool)
    for photo, place in zip(photos, whole, strict=True):
        apart = distances(hashes.hashes256[:1, whole], hashes.hashes256[:, place, None]).sum(axis=2)
        near = photos[(apart <= _ALIKE).any(axis=0)]
        alike[photo, near] = alike[near, photo] = True
    return alike


def _interval(near: _PairCounts, pairs: _PairCounts, rng: np.random.Generator) -> list[float]:
    """95 %: photos drawn with replacement, each with all its parts."""
    count, shares = len(pairs), []
    for _ in range(_RESAMPLES):
        weights = np.bincount(rng.integers(count, size=count), minlength=count).astype(float)
        # One photo alone, over and over, makes no pair.
        if drawn := weights @ pairs @ weights:
            shares.append((weights @ near @ weights) / drawn)
    low, high = np.percentile(shares, [2.5, 97.5])
    return [float(low), float(high)]
