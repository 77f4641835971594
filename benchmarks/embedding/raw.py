"""The network without a service: the backend that the service loads, in this process."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.embedding.rates import Rates
from services.embedder.config import EmbedderSettings
from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.inference.backend import Backend, BackendOptions
from services.servicekit.inference.buckets import bucket_sizes
from services.servicekit.inference.loading import load_backend

LARGEST_BATCH: Final = 32
SERVED_INSTANCES: Final[int] = EmbedderSettings.model_fields["instances"].default
"""Batches that the service computes at once by default."""

_CORES: Final = len(os.sched_getaffinity(0))
# Each way once a round, for at least so many images, so that what else the machine does falls on all of them: so many
# rounds, and more of a network that is fast.
_IMAGES: Final = 32
_ROUNDS_LEAST: Final = 3
_ROUNDS_MOST: Final = 50
_ROUNDS_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class RawWay:
    """How a network may be computed.

    Attributes:
        instances: Batches at once, each with its share of the threads.
        batch: Images in each.
    """

    instances: int
    batch: int

    @property
    def images(self) -> int:
        """Of all its batches."""
        return self.instances * self.batch


class RawNetwork:
    """A backend, and the way that it computes most images a second in.

    Attributes:
        seconds: What each way took when this was made, the median of five runs or more.
        best: The way that an image took least in.
    """

    def __init__(
        self,
        folder: EncoderFolder,
        options: BackendOptions,
        inputs: np.ndarray[Any, np.dtype[np.uint8]],
        *,
        sizes: Sequence[int] = tuple(bucket_sizes(LARGEST_BATCH)),
        instances: Sequence[int] = (1, SERVED_INSTANCES, _CORES),
    ) -> None:
        backends = [
            load_backend(folder.read_model(), replace(options, instances=count))
            for count in instances
        ]
        # Where there is one core, or a GPU, all have one instance.
        self._served_instances = backends[-1 if len(instances) == 1 else 1].instances
        self._backends: dict[int, Backend] = {one.instances: one for one in backends}
        self._threads = ThreadPoolExecutor(max(self._backends))
        self._inputs = inputs
        self._timed_runs = self._rounds([RawWay(n, size) for n in self._backends for size in sizes])
        self.seconds = {way: median(runs) for way, runs in self._timed_runs.items()}
        self.best = min(self.seconds, key=lambda way: self.seconds[way] / way.images)

    @property
    def per_s(self) -> float:
        """Images in a second, the best way."""
        return self.best.images / self.seconds[self.best]

    @property
    def served_instances(self) -> int:
        """Batches that the service computes at once here."""
        return self._served_instances

    @property
    def served_seconds(self) -> dict[int, float]:
        """What a batch of each size takes where the service computes as many at once as it does."""
        instances = self.served_instances
        return {way.batch: took for way, took in self.seconds.items() if way.instances == instances}

    def facts(self) -> dict[str, Any]:
        """What computes, and what each batch size took."""
        backend = self._backends[self.best.instances]
        return {
            "execution_provider": backend.execution_provider,
            "precision": backend.precision.lower(),
            "best_batch": self.best.batch,
            "best_instances": self.best.instances,
            "batch_ms": {
                instances: {
                    way.batch: round(1e3 * took, 2)
                    for way, took in self.seconds.items()
                    if way.instances == instances
                }
                for instances in self._backends
            },
            "timed_runs": len(self._timed_runs[self.best]),
        }

    def embed(self) -> npt.NDArray[np.float32]:
        """The embeddings of all images, (n, dimension)."""
        backend = self._backends[self.served_instances]
        return np.concatenate([backend.run(one[None])[0] for one in self._inputs])

    def run(self, count: int) -> Rates:
        """Computes about `count` images in the best way."""
        batches = -(-count // self.best.batch)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        self._run(self.best, batches)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        return Rates.of(batches * self.best.batch, wall_s, cpu_s)

    def _run(self, way: RawWay, batches: int) -> None:
        """So many batches; an instance that has computed one takes the next."""
        backend = self._backends[way.instances]
        numbers = iter(range(batches))

        def compute(_: int) -> None:
            for number in numbers:
                at = number * way.batch % (len(self._inputs) - way.batch + 1)
                backend.run(self._inputs[at : at + way.batch])

        for _ in self._threads.map(compute, range(way.instances)):
            pass

    def _rounds(self, ways: Sequence[RawWay]) -> dict[RawWay, list[float]]:
        """What each way took, round by round; the first round only warms up."""
        for way in ways:
            self._timed(way)
        runs: dict[RawWay, list[float]] = {way: [] for way in ways}
        end_s = time.perf_counter() + _ROUNDS_S
        for done in range(_ROUNDS_MOST):
            if done >= _ROUNDS_LEAST and time.perf_counter() > end_s:
                break
            for way in ways:
                runs[way].append(self._timed(way))
        return runs

    def _timed(self, way: RawWay) -> float:
        """Until each instance has computed a batch: the mean of two at least, as they need not end together."""
        rounds = max(2, math.ceil(_IMAGES / way.images))
        start_s = time.perf_counter()
        self._run(way, rounds * way.instances)
        return (time.perf_counter() - start_s) / rounds
