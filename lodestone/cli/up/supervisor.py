"""Several processes that live and end together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from lodestone.cli.up.child import Child, ChildSpec, Timing


class Supervisor:
    """Runs children until it is told to stop.

    Attributes:
        children: In the order of their specs.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        note: Callable[[str], None],
        timing: Timing | None = None,
    ) -> None:
        self._note = note
        self.children = [Child(spec, timing or Timing(), note) for spec in specs]

    async def run(self, stopping: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Starts all, calls `on_ready` once each has served, and ends all when `stopping` is set.

        Raises:
            CliError: A child cannot serve; the others are stopped.
        """
        keepers = [asyncio.create_task(child.keep_alive()) for child in self.children]
        announcing = asyncio.create_task(self._announce(on_ready))
        stopper = asyncio.create_task(stopping.wait())
        tasks = [*keepers, announcing, stopper]
        waiting = {stopper, announcing, *keepers}
        try:
            while not stopper.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(child.stop() for child in self.children))

    def kill(self) -> None:
        """Ends all at once, for somebody who cannot wait for them."""
        for child in self.children:
            child.kill()

    async def _announce(self, on_ready: Callable[[], None]) -> None:
        for child in self.children:
            await child.served.wait()
        on_ready()
