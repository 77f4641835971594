"""Ends long-lived calls when the server stops, so that clients go elsewhere and nothing in flight is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine
from typing import Any, TypeVar

from services.servicekit.errors import Unavailable
from services.servicekit.term import Term

Item = TypeVar("Item")
Result = TypeVar("Result")


class Drain:
    """A switch that is thrown once, at the start of a stop."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        # What every `until` waits for.
        self._upcoming: set[asyncio.Task[Any]] = set()

    def begin(self) -> None:
        """Lets every `until` end."""
        self._begun.set()
        for upcoming in tuple(self._upcoming):
            upcoming.cancel()

    async def until(
        self, items: AsyncIterable[Item], term: Term | None = None
    ) -> AsyncGenerator[Item, None]:
        """Yields the items that come before the drain begins, or before a term is over."""
        iterator = aiter(items)
        try:
            while not self._is_over(term):
                item = await self._before_over(iterator, term)
                if not item:
                    return
                yield item[0]
                # Until the next one comes this one may be gone.
                del item
        finally:
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()

    def _is_over(self, term: Term | None) -> bool:
        return self._begun.is_set() or (term is not None and term.is_over)

    async def _before_over(
        self, iterator: AsyncIterator[Item], term: Term | None
    ) -> tuple[Item] | tuple[()]:
        """The next item; nothing after the last one, or once the drain begins or the term is over."""
        upcoming = asyncio.create_task(_next(iterator))
        self._upcoming.add(upcoming)
        if term is not None:
            term.upcoming = upcoming
        try:
            return await upcoming
        except asyncio.CancelledError:
            if not self._is_over(term) or _is_cancelled():
                raise
            return ()
        finally:
            self._upcoming.discard(upcoming)

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

    def require_not_begun(self) -> None:
        """Tells a client whose stream was cut short to go elsewhere.

        Raises:
            Unavailable: The drain has begun.
        """
        if self._begun.is_set():
            raise _shutting_down()


def _is_cancelled() -> bool:
    """Whether whoever waits is to end. A frame that the error lives on in must not hold its own task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _shutting_down() -> Unavailable:
    return Unavailable("this server", "it is shutting down")


async def _next(iterator: AsyncIterator[Item]) -> tuple[Item] | tuple[()]:
    try:
        return (await anext(iterator),)
    except StopAsyncIteration:
        return ()
