"""How the CPU's threads are divided among the computations that run at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

from services.servicekit.inference.backend import BackendOptions


@dataclass(frozen=True, slots=True)
class Shares:
    """Computations at once hold each other up less than threads of one do, which wait for each other at each layer.

    Attributes:
        instances: Computations at once, 1 or more.
        threads: Of all together; 0 leaves it to the runtime, and there is one instance then.
    """

    instances: int
    threads: int

    @property
    def pool(self) -> int:
        """Threads of a pool that all instances share, with one caller's: each instance brings the thread that calls."""
        return self.threads and self.threads - self.instances + 1

    @classmethod
    def of(cls, options: BackendOptions) -> Self:
        """No more instances than threads."""
        threads = options.threads or len(os.sched_getaffinity(0))
        instances = min(options.instances, threads)
        return cls(instances, options.threads if instances == 1 else threads)
