"""The network without a service: the backend that the service loads, in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.embedding.rates import Rates
from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.inference.backend import Backend, BackendOptions
from services.servicekit.inference.buckets import bucket_sizes
from services.servicekit.inference.loading import load_backend

LARGEST_BATCH: Final = 32
# Each size once a round, so that what else the machine does falls on all of them: so many rounds, and more of a network
# that is fast.
_ROUNDS_LEAST: Final = 5
_ROUNDS_MOST: Final = 50
_ROUNDS_S: Final = 4.0


class RawNetwork:
    """A backend, and the batch size that it computes most images a second in.

    Attributes:
        seconds: What a batch of each size took when this was made, the median of five runs or more.
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
        self._timed_runs = self._rounds(sizes)
        self.seconds = {size: median(runs) for size, runs in self._timed_runs.items()}
        self.best = min(self.seconds, key=lambda size: self.seconds[size] / size)

    def facts(self) -> dict[str, Any]:
        """What computes, and what each batch size took."""
        return {
            "execution_provider": self._backend.execution_provider,
            "precision": self._backend.precision.lower(),
            "best_batch": self.best,
            "batch_ms": {size: round(1e3 * took, 2) for size, took in self.seconds.items()},
            "timed_runs": len(self._timed_runs[self.best]),
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

    def _rounds(self, sizes: Sequence[int]) -> dict[int, list[float]]:
        """What each size took, round by round; the first round only warms up."""
        for size in sizes:
            self._timed(size)
        runs: dict[int, list[float]] = {size: [] for size in sizes}
        end_s = time.perf_counter() + _ROUNDS_S
        for done in range(_ROUNDS_MOST):
            if done >= _ROUNDS_LEAST and time.perf_counter() > end_s:
                break
            for size in sizes:
                runs[size].append(self._timed(size))
        return runs

    def _timed(self, size: int) -> float:
        start_s = time.perf_counter()
        self._backend.run(self._inputs[:size])
        return time.perf_counter() - start_s
