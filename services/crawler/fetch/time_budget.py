"""The time that one fetch may take over all its requests, waiting for turns apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TimeBudget:
    """Seconds that are spent piece by piece."""

    def __init__(self, total_s: float) -> None:
        self.left_s = total_s

    @asynccontextmanager
    async def spend(self) -> AsyncIterator[None]:
        """Lets a piece of work run for as long as there is time left; TimeoutError ends it."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self.left_s):
                yield
        finally:
            self.left_s -= clock() - began
