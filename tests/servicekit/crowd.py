"""Callers of a batcher who come and go at random."""

from __future__ import annotations

import asyncio
import random
import threading

from services.servicekit.batcher import Batcher


class HeldSquares:
    """Computes squares, once it is let through.

    Attributes:
        free: Lets it through while it is set.
        batches: The items of each computation that was begun.
        begun: All of them.
        inside: How many it is in the middle of.
    """

    def __init__(self) -> None:
        self.free = threading.Event()
        self.batches: list[list[int]] = []
        self.begun: list[int] = []
        self.inside = 0
        self.started = threading.Event()
        self._noting = threading.Lock()

    def __call__(self, items):
        with self._noting:
            self.batches.append(list(items))
            self.begun += items
            self.inside += 1
        self.started.set()
        self.free.wait()
        with self._noting:
            self.inside -= 1
        return [item * item for item in items]


class Crowd:
    """Callers who come, leave and lose patience at random, while computing is held and let go at random."""

    def __init__(self, seed: int, instances: int) -> None:
        self.chance = random.Random(seed)
        self.instances = instances
        self.max_batch = self.chance.randint(1, 9)
        self.limit = self.chance.randint(1, 12)
        self.compute = HeldSquares()
        self.calls: dict[int, asyncio.Task[int]] = {}
        # Who left before a batch was begun with their item.
        self.left: set[int] = set()

    async def come(self, batcher: Batcher[int, int]) -> None:
        """All of them, far more than there is room for; the first batch is held meanwhile."""
        self.calls = {item: asyncio.create_task(self._ask(batcher, item)) for item in range(200)}
        await asyncio.to_thread(self.compute.started.wait)
        for _ in range(100):
            await asyncio.sleep(0)

    def leave(self, count: int) -> None:
        """Whether computed, in the queue, waiting for room, or answered already."""
        for item in self.chance.sample(sorted(self.calls), count):
            self.calls[item].cancel()

    async def go_on(self) -> None:
        """Lets batches through or holds them; some callers leave meanwhile."""
        free = self.compute.free
        for _ in range(self.chance.randint(5, 30)):
            self.chance.choice([free.set, free.clear])()
            self.leave(self.chance.choice([0, 0, 1, 3]))
            await asyncio.sleep(self.chance.choice([0, 0.0005, 0.002]))
        free.set()

    async def _ask(self, batcher: Batcher[int, int], item: int) -> int:
        for _ in range(self.chance.randint(0, 60)):
            await asyncio.sleep(0)
        way = self.chance.choice([batcher.compute_now, batcher.compute_when_room])
        try:
            async with asyncio.timeout(self.chance.choice([None, None, 0.002, 0.01, 0.03])):
                return await way(item)
        except (asyncio.CancelledError, TimeoutError):
            # In the middle of a batch a thread has not looked yet who is left for the next.
            busy = self.compute.inside == self.instances
            if busy and item not in self.compute.begun:
                self.left.add(item)
            raise
