"""The weights choice: where a CLIP model's weights come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PretrainedTag:
    """Weights that open_clip knows by a tag, fetched from their hub once."""

    tag: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights in a file."""

    path: Path


@dataclass(frozen=True, slots=True)
class RandomWeights:
    """An untrained network, for tests: the same for the same seed and torch version."""

    seed: int


WeightsChoice = PretrainedTag | Checkpoint | RandomWeights
