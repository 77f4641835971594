"""The network without a service: the backend that the service loads, in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.embedding.rates import Rates
from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.inference.backend import Backend, BackendOptions
from services.servicekit.inference.buckets import bucket_sizes
from services.servicekit.inference.loading import load_backend

LARGEST_BATCH: Final = 32
_TIMED_RUNS: Final = 2


class RawNetwork:
    """A backend, and the batch size that it computes most images a second in.

    Attributes:
        seconds: What a batch of each size took when this was made, the shorter of two runs.
        best: The size that an image took least in.
    """

    def __init__(
        self,
        folder: EncoderFolder,
        options: BackendOptions,
        inputs: np.ndarray[Any, np.dtype[np.uint8]],
        sizes: Sequence[int] = tuple(bucket_sizes(LARGEST_BATCH)),
    ) -> None:
        self._backend: Backend = load_backend(folder.read_model(), options)
        self._inputs = inputs
        self.seconds = {size: self._timed(size) for size in sizes}
        self.best = min(self.seconds, key=lambda size: self.seconds[size] / size)

    def facts(self) -> dict[str, Any]:
        """What computes, and what each batch size took."""
        return {
            "execution_provider": self._backend.execution_provider,
            "precision": self._backend.precision.lower(),
            "best_batch": self.best,
            "batch_ms": {size: round(1e3 * took, 2) for size, took in self.seconds.items()},
        }

    def embed(self) -> npt.NDArray[np.float32]:
        """The embeddings of all images, (n, dimension)."""
        return np.concatenate([self._backend.run(one[None])[0] for one in self._inputs])

    def run(self, count: int) -> Rates:
        """Computes about `count` images in batches of the best size."""
        batch = self.best
        batches = -(-count // batch)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for number in range(batches):
            at = number * batch % (len(self._inputs) - batch + 1)
            self._backend.run(self._inputs[at : at + batch])
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        return Rates.of(batches * batch, wall_s, cpu_s)

    def _timed(self, size: int) -> float:
        self._backend.run(self._inputs[:size])
        durations = []
        for _ in range(_TIMED_RUNS):
            start_s = time.perf_counter()
            self._backend.run(self._inputs[:size])
            durations.append(time.perf_counter() - start_s)
        return min(durations)
