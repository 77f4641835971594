"""Computes batches of any size in a few sizes that were tried beforehand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import numpy.typing as npt
import structlog

from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import Backend, Batch
from services.servicekit.inference.buckets import Buckets, bucket_sizes
from services.servicekit.inference.errors import DeviceMemoryExhausted, ModelUnfit

# Each size once a round, so that what else a machine does falls on all of them: so many rounds, more if they are short.
_ROUNDS_LEAST = 3
_ROUNDS_MOST = 10
_ROUNDS_S = 2.0
# Nobody wants to wait longer for a batch, and on a CPU smaller ones are as fast, image by image.
_LONGEST_S = 1.0


class BucketedBackend:
    """A backend in front of another one, which sees batches of known sizes only.

    Runtimes compile kernels and take memory for each new batch size: here all of that happens at the start. A device
    without memory for a size is never asked for it again.
    """

    def __init__(
        self,
        backend: Backend,
        trial: Batch,
        *,
        max_batch: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Computes every size with one item and padding, and times it; keeps the sizes that pay.

        All instances compute the same size at once: they share cores and caches, and each makes its buffers.

        Args:
            backend: What computes.
            trial: (1, …), an item that it takes.
            max_batch: The largest size at most; sizes that take over a second are not kept.
            clock: Seconds.

        Raises:
            DeviceMemoryExhausted: There is no memory for a single item.
            ModelUnfit: The model computes one batch size alone.
        """
        self._backend = backend
        with _Together(backend, clock) as together:
            seconds = _first_round(together, trial, max_batch)
            begun_s = clock()
            for done in range(1, _ROUNDS_MOST):
                if done >= _ROUNDS_LEAST and clock() - begun_s > _ROUNDS_S:
                    break
                for size, fastest_s in seconds.items():
                    seconds[size] = min(fastest_s, together.seconds(_padded(trial, size)))
        self._buckets = Buckets(seconds).paying()
        # Instances may run out of memory at the same time.
        self._forgetting = threading.Lock()

    @property
    def execution_provider(self) -> str:
        """What computes."""
        return self._backend.execution_provider

    @property
    def precision(self) -> Precision:
        """The number format that it computes in."""
        return self._backend.precision

    @property
    def instances(self) -> int:
        """Batches that it computes at once."""
        return self._backend.instances

    @property
    def buckets(self) -> Buckets:
        """The sizes, and what each took at the start."""
        return self._buckets

    def run(self, batch: Batch) -> Sequence[npt.NDArray[np.float32]]:
        """Computes (n, …) and returns the network's outputs, each (n, …) float32.

        Raises:
            DeviceMemoryExhausted: There is no memory for a single item.
        """
        parts = []
        done = 0
        while done < len(batch):
            size = self._buckets.plan(len(batch) - done)[0]
            part = batch[done : done + size]
            try:
                outputs = self._backend.run(_padded(part, size))
            except DeviceMemoryExhausted:
                self._do_without(size)
                continue
            parts.append([output[: len(part)] for output in outputs])
            done += len(part)
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _do_without(self, size: int) -> None:
        if size == min(self._buckets.seconds):
            raise DeviceMemoryExhausted(size)
        with self._forgetting:
            if size not in self._buckets.seconds:
                return
            self._buckets = self._buckets.under(size)
        _tell(size, self._buckets.largest)


def _padded(part: Batch, size: int) -> Batch:
    if len(part) == size:
        return part
    padded = np.zeros((size, *part.shape[1:]), part.dtype)
    padded[: len(part)] = part
    return padded


class _Together:
    """All instances of a backend, with a thread for each."""

    def __init__(self, backend: Backend, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._clock = clock
        self._threads = ThreadPoolExecutor(backend.instances)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def seconds(self, batch: Batch) -> float:
        """What it takes until each of them has computed this batch; over 0."""
        start_s = self._clock()
        self.run(batch)
        return max(self._clock() - start_s, 1e-9)

    def run(self, batch: Batch) -> Sequence[npt.NDArray[np.float32]]:
        """The outputs of one of them."""
        batches = [batch] * self._backend.instances
        return [*self._threads.map(self._backend.run, batches)][-1]


def _first_round(together: _Together, trial: Batch, max_batch: int) -> dict[int, float]:
    """The sizes that there is memory and time for, and what each took, after a run that makes buffers and kernels."""
    seconds: dict[int, float] = {}
    for size in bucket_sizes(max_batch):
        batch = _padded(trial, size)
        try:
            _require_rows(together.run(batch), size)
            took_s = together.seconds(batch)
        except DeviceMemoryExhausted:
            if not seconds:
                raise
            _tell(size, max(seconds))
            break
        if took_s > _LONGEST_S and seconds:
            break
        seconds[size] = took_s
        # Larger ones would take memory that is not given back.
        if took_s > _LONGEST_S or not Buckets(seconds).may_grow():
            break
    return seconds


def _require_rows(outputs: Sequence[npt.NDArray[np.float32]], size: int) -> None:
    rows = {len(output) for output in outputs}
    if rows != {size}:
        message = f"the model gives {min(rows, default=0)} rows for a batch of {size}"
        raise ModelUnfit(message)


def _tell(size: int, largest: int) -> None:
    structlog.get_logger().warning("device_memory_exhausted", batch=size, largest_batch=largest)
