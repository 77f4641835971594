"""The embedding: a point on the unit sphere that stands for one image under one encoder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt


class Precision(StrEnum):
    """The number format that an encoder computes in; the names are those of the contract."""

    FP32 = "FP32"
    FP16 = "FP16"
    BF16 = "BF16"


@dataclass(frozen=True, slots=True)
class Embedding:
    """An embedding and what made it.

    Attributes:
        values: (dimension,) float32, L2 norm 1.
        encoder_id: 64 hex digits.
        precision: What it was computed in.
    """

    values: npt.NDArray[np.float32]
    encoder_id: str
    precision: Precision
