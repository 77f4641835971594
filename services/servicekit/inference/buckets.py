"""The batch sizes that a network is computed in, and how a batch of any size is put together of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# What a plan must gain over one computation: a busy machine tells no less.
_PLAN_GAIN: Final = 0.10
# What a size may lose to another one, image by image: a busy machine tells no less.
_SIZE_LOSS: Final = 0.10
# Each computation costs a service half a millisecond of its own: fewer images than these would feel it.
_LEAST: Final = 8


@dataclass(frozen=True, slots=True)
class Buckets:
    """Sizes with what each costs. Every plan is of these sizes alone, so buffers and kernels are made once.

    Attributes:
        seconds: What a batch of each size takes, over 0; sizes from 1 up.
    """

    seconds: Mapping[int, float]

    @property
    def largest(self) -> int:
        """The most that are computed at once."""
        return max(self.seconds)

    def plan(self, count: int) -> list[int]:
        """The sizes that `count` images, 1 or more, are computed in, largest first: one, or several if that is faster.

        Their sum is `count` or more: what is over is padding, where a larger batch costs less than two small ones.
        """
        # The cheapest way to compute at least so many, built up from none: 256 images and 9 sizes are 2,304 sums.
        best: list[tuple[float, list[int]]] = [(0.0, [])]
        for images in range(1, count + 1):
            ways = (
                (best[max(0, images - size)][0] + cost, size) for size, cost in self.seconds.items()
            )
            cost, size = min(ways)
            best.append((cost, [*best[max(0, images - size)][1], size]))
        fastest_s, sizes = best[count]
        whole = min((size for size in self.seconds if size >= count), default=None)
        if whole is not None and self.seconds[whole] <= fastest_s * (1 + _PLAN_GAIN):
            return [whole]
        return sorted(sizes, reverse=True)

    def paying(self) -> Buckets:
        """Without the sizes over the smallest that is as fast as any, image by image; 8 stays at least.

        A larger one gains nothing: whoever comes while it is computed waits longer, and it takes more memory.
        """
        return self.under(max(self._fast(), _LEAST) + 1)

    def may_grow(self) -> bool:
        """Whether a larger size may pay: the largest is faster than the others, image by image, or 8 at most."""
        return self.largest <= max(self._fast(), _LEAST)

    def _fast(self) -> int:
        """The smallest size that is as fast as any, image by image."""
        each_s = {size: cost / size for size, cost in self.seconds.items()}
        least_s = min(each_s.values())
        return min(size for size, cost in each_s.items() if cost <= least_s * (1 + _SIZE_LOSS))

    def under(self, size: int) -> Buckets:
        """Those smaller than a size, for a device that has no memory for it; those of 1 stay."""
        return Buckets({one: cost for one, cost in self.seconds.items() if one < max(size, 2)})


def bucket_sizes(max_batch: int) -> list[int]:
    """Powers of two up to `max_batch`, and that itself."""
    sizes = {max_batch}
    size = 1
    while size < max_batch:
        sizes.add(size)
        size *= 2
    return sorted(sizes)
