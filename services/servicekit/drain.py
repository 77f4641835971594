"""Ends long-lived calls when the server stops, so that clients go elsewhere and nothing in flight is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine
from typing import Any, TypeVar

from services.servicekit.errors import StreamAged, Unavailable
from services.servicekit.term import Term, end_wait

Item = TypeVar("Item")
Result = TypeVar("Result")


class Drain:
    """A switch that is thrown once, at the start of a stop."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        # The time that each `until` waits for its next item: without an end, unless it is given one.
        self._waiting: set[asyncio.Timeout] = set()

    def begin(self) -> None:
        """Lets every `until` end."""
        self._begun.set()
        for waiting in self._waiting:
            end_wait(waiting)

    async def until(
        self, items: AsyncIterable[Item], term: Term | None = None
    ) -> AsyncGenerator[Item, None]:
        """Yields the items that come before the drain begins, or before a term is over; the term knows if more may."""
        iterator = aiter(items)
        try:
            while not self._is_over(term):
                try:
                    item = await self._before_over(iterator, term)
                except StopAsyncIteration:
                    return
                if not item:
                    break
                yield item[0]
                # Until the next one comes this one may be gone.
                del item
            if term is not None:
                term.is_cut = True
        finally:
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()

    def _is_over(self, term: Term | None) -> bool:
        return self._begun.is_set() or (term is not None and term.is_over)

    async def _before_over(
        self, iterator: AsyncIterator[Item], term: Term | None
    ) -> tuple[Item] | tuple[()]:
        """The next item; nothing once the drain begins or the term is over."""
        waiting = asyncio.timeout(None)
        self._waiting.add(waiting)
        if term is not None:
            term.waiting = waiting
        try:
            async with waiting:
                return (await anext(iterator),)
        except TimeoutError:
            if not waiting.expired():
                raise
            return ()
        finally:
            self._waiting.discard(waiting)
            if term is not None:
                term.waiting = None
            # It holds the task, which holds the error that this frame lives on in.
            del waiting

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Does the work, and cancels it when the drain begins.

        Raises:
            Unavailable: The drain began before the end of the work.
        """
        working = asyncio.ensure_future(work)
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait({working, begun}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return await working
        finally:
            working.cancel()
            begun.cancel()
            await asyncio.gather(working, begun, return_exceptions=True)
        raise _shutting_down()

    def require_whole(self, term: Term) -> None:
        """Tells a client whose stream was cut short to go elsewhere, or to open another.

        Raises:
            Unavailable: By the drain.
            StreamAged: By the end of its term.
        """
        if not term.is_cut:
            return
        if self._begun.is_set():
            raise _shutting_down()
        raise StreamAged(term.limit_s)


def _shutting_down() -> Unavailable:
    return Unavailable("this server", "it is shutting down")
