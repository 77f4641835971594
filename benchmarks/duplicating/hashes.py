"""Perceptual hashes in any number, drawn as those of photos are spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.seen.duplicate_index import Entry
from services.crawler.seen.near_hashes import Hashes

_BATCH: Final = 65_536
# By how much of its strength a frequency of a copy is off.
_COPY_NOISE: Final = 0.05
# Waves a side of those that hashes are made of.
_SIDE: Final = 16
_TURNED: Final = np.float32(-1) ** np.arange(_SIDE, dtype=np.float32)
# Chosen so that drawn hashes are as near to each other as those of photos (docs/duplicates.md).
_EDGE_STRENGTH: Final = 1.3
_SPECTRAL_SLOPE: Final = 1.3
_EDGES: Final = 512
_PICTURE_PX: Final = 64
_MEAN: Final = 100.0

_Waves = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Pictures that nobody ever saw.

    Attributes:
        hashes64: (2, n): upright, mirrored; (1, n) of what is never looked up.
        hashes256: (2, n, 4), or (1, n, 4).
        first: The number of the first one: digests are made of numbers.
    """

    hashes64: Hashes
    hashes256: Hashes
    first: int = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self.hashes64[0])

    def entries(self, count: int) -> list[Entry]:
        """The first ones, as the crawler stores them."""
        words = self.hashes256[0].tobytes()
        return [
            (
                f"{self.first + place:064x}",
                Fingerprint(hash64, words[32 * place : 32 * place + 32], flat=False),
            )
            for place, hash64 in enumerate(self.hashes64[0, :count].tolist())
        ]

    def candidates(self) -> list[DecodedCandidate]:
        """All of them, as the crawler looks them up."""
        sides = [
            [
                Fingerprint(hash64, row.tobytes(), flat=False)
                for hash64, row in zip(hashes64.tolist(), hashes256, strict=True)
            ]
            for hashes64, hashes256 in zip(self.hashes64, self.hashes256, strict=True)
        ]
        return [
            DecodedCandidate(1, 1, "", animated=False, fingerprint=one, mirrored=other, inputs={})
            for one, other in zip(*sides, strict=True)
        ]

    def numbered(self, first: int) -> Drawn:
        """The same with other numbers."""
        return replace(self, first=first)

    def save(self, path: Path) -> None:
        """Writes them into an `.npz`."""
        np.savez(path, hashes64=self.hashes64, hashes256=self.hashes256, first=self.first)

    @classmethod
    def load(cls, path: Path) -> Drawn:
        """Reads what `save` wrote."""
        with np.load(path) as saved:
            return cls(saved["hashes64"], saved["hashes256"], int(saved["first"]))


class DrawnPhotos:
    """Draws the low frequencies of photos, 16 × 16 each, and hashes them as the crawler does.

    Noise whose strength falls with frequency, and on top an edge that parts the picture, sharp or soft, anywhere and in
    any direction: so that hashes lie as near to each other as those of photos do. The same seed gives the same photos.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def draw(self, count: int) -> Iterator[tuple[_Waves, Drawn]]:
        """Yields batches: frequencies, and their hashes."""
        for first in range(0, count, _BATCH):
            waves = self._waves(min(_BATCH, count - first))
            yield waves, hashed(waves, first, sides=1)

    def copies(self, waves: _Waves) -> _Waves:
        """The frequencies of copies, which are a little off; every second one is a mirror image."""
        noise = self._rng.standard_normal(waves.shape, np.float32) * _spectrum() * _COPY_NOISE
        copies = waves + noise
        copies[::2] *= _TURNED
        return copies

    def _waves(self, count: int) -> _Waves:
        waves = self._rng.standard_normal((count, _SIDE, _SIDE), np.float32) * _spectrum()
        strengths = np.abs(self._rng.standard_normal(count, np.float32)) * _EDGE_STRENGTH
        waves += strengths[:, None, None] * _edges()[self._rng.integers(_EDGES, size=count)]
        # The mean of a picture is its strongest wave.
        waves[:, 0, 0] = _MEAN
        return waves


def hashed(waves: _Waves, first: int, *, sides: int = 2) -> Drawn:
    """The hashes of pictures with these low frequencies, upright and mirrored; of one side, upright alone."""
    turned = [waves, waves * _TURNED][:sides]
    return Drawn(
        np.stack([_packed(one[:, :8, :8]).view(">u8")[:, 0].astype(np.uint64) for one in turned]),
        np.stack([_packed(one).view(np.uint64) for one in turned]),
        first,
    )


def _packed(waves: _Waves) -> npt.NDArray[np.uint8]:
    """A bit for each wave over the median of its picture, as `perceptual_hash` has it."""
    rows = waves.reshape(len(waves), -1)
    return np.packbits(rows > np.median(rows, axis=1, keepdims=True), axis=1)


@cache
def _spectrum() -> _Waves:
    """How strong each wave is, (16, 16)."""
    frequency = np.hypot(*np.mgrid[0:_SIDE, 0:_SIDE])
    return np.asarray(1 / np.maximum(frequency, 1.0) ** _SPECTRAL_SLOPE, np.float32)


@cache
def _edges() -> _Waves:
    """The waves of pictures of one edge, (512, 16, 16), each as strong as the noise."""
    rng = np.random.default_rng(_EDGES)
    down, across = np.mgrid[0:_PICTURE_PX, 0:_PICTURE_PX] / _PICTURE_PX - 0.5
    angles = (
        np.pi * (2 * np.arange(_PICTURE_PX) + 1) * np.arange(_SIDE)[:, None] / (2 * _PICTURE_PX)
    )
    transform = np.cos(angles)
    edges = np.empty((_EDGES, _SIDE, _SIDE), np.float32)
    for number in range(_EDGES):
        angle, place = rng.uniform(0, 2 * np.pi), rng.uniform(-0.45, 0.45)
        softness = rng.uniform(0.01, 0.2)
        picture = np.tanh((np.cos(angle) * across + np.sin(angle) * down - place) / softness)
        waves = transform @ picture @ transform.T
        waves[0, 0] = 0
        edges[number] = waves * np.linalg.norm(_spectrum()) / np.linalg.norm(waves)
    return edges
