"""How the CPU's threads are divided among the computations that run at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from services.servicekit.cores import affine_cores, usable_cores
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
        threads = options.threads or usable_cores()
        instances = min(options.instances, threads)
        # A runtime knows the process's affinity, and no quota.
        is_left = instances == 1 and not options.threads and threads == affine_cores()
        return cls(instances, 0 if is_left else threads)
