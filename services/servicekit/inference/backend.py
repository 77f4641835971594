"""What the embedder and the watermark service ask of whatever computes their network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Precision

Batch = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""(n, height, width, 3) uint8 RGB for a network, (n, 4, dimension) float32 embeddings for a head."""


class BackendName(StrEnum):
    """The backends by the names that settings use; `auto` is the fastest of those that are there."""

    AUTO = "auto"
    CUDA = "cuda"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """How a network is to be computed.

    Attributes:
        backend: What computes.
        precision: The number format; what no backend computes in stops the start.
        threads: CPU threads of all instances together; 0 is one per core.
        instances: Batches that a CPU computes at once, each with its share of the threads; a GPU computes one.
        gpu_memory_bytes: What CUDA may take of the card; 0 is all of it.
        input_name: What the model's one input is called.
        output_names: The outputs that are computed, in the order of `run`; none are all, in the model's.
    """

    backend: BackendName = BackendName.ONNXRUNTIME
    precision: Precision = Precision.FP32
    threads: int = 0
    instances: int = 1
    gpu_memory_bytes: int = 0
    input_name: str = "pixels"
    output_names: tuple[str, ...] = ()


class Backend(Protocol):
    """A loaded network. `run` is called from as many threads at once as it has instances, and no more."""

    @property
    def execution_provider(self) -> str:
        """What computes, for example `CPUExecutionProvider`."""
        ...

    @property
    def precision(self) -> Precision:
        """The number format that it computes in."""
        ...

    @property
    def instances(self) -> int:
        """Batches that it computes at once, 1 or more."""
        ...

    def run(self, batch: Batch) -> Sequence[npt.NDArray[np.float32]]:
        """Computes (n, …) and returns the network's outputs, each (n, …) float32.

        Raises:
            DeviceMemoryExhausted: The device has no memory for so many.
        """
        ...
