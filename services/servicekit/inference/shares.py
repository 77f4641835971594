"""How the CPU's threads are divided among the computations that run at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

from services.servicekit.inference.backend import BackendOptions


@dataclass(frozen=True, slots=True)
class Shares:
    """Each computation with its own threads waits for no other: one that loses a core holds up itself alone.

    Attributes:
        instances: Computations at once, 1 or more.
        threads: Of each; 0 leaves it to the runtime.
    """

    instances: int
    threads: int

    @classmethod
    def of(cls, options: BackendOptions) -> Self:
        """No more instances than threads, and all threads are given away as far as they can be divided."""
        threads = options.threads or len(os.sched_getaffinity(0))
        instances = min(options.instances, threads)
        if instances == 1:
            return cls(1, options.threads)
        return cls(instances, threads // instances)
