"""What the embedder and the watermark service ask of whatever computes their network."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Precision


class BackendName(StrEnum):
    """The backends by the names that settings use."""

    ONNXRUNTIME = "onnxruntime"
    CUDA = "cuda"


class Backend(Protocol):
    """A loaded network. `run` is called from one thread at a time."""

    @property
    def execution_provider(self) -> str:
        """What computes, for example `CPUExecutionProvider`."""
        ...

    @property
    def precision(self) -> Precision:
        """The number format that it computes in."""
        ...

    def run(
        self, batch: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    ) -> Sequence[npt.NDArray[np.float32]]:
        """Computes (n, …) and returns the network's outputs, each (n, …) float32.

        A network takes (n, height, width, 3) uint8 RGB, a head (n, 4, dimension) float32 embeddings.
        """
        ...
