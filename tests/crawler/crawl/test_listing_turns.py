from __future__ import annotations

import asyncio

import pytest

from services.crawler.crawl.listing_turns import ListingTurns


class Listers:
    """Each takes a turn, notes its name, and ends it when it is let go."""

    def __init__(self):
        self.turns = ListingTurns()
        self.names = []
        self.order = []
        self.let_go = asyncio.Event()

    async def start(self, name, priority):
        """The source that comes first has position 0, and so on."""
        position = len(self.names)
        self.names.append(name)
        self.turns.prioritise({position: priority})
        task = asyncio.create_task(self._take(name, position))
        await asyncio.sleep(0)
        return task

    async def _take(self, name, position):
        async with self.turns.turn(position):
            self.order.append(name)
            await self.let_go.wait()


async def test_the_highest_priority_is_next():
    """Of one priority, whoever came first; nobody loses a turn that he has."""
    listers = Listers()
    given = (("first", -5), ("a", 0), ("b", 7), ("c", 0), ("d", 7), ("e", -9))
    tasks = [await listers.start(name, priority) for name, priority in given]
    assert listers.order == ["first"]
    listers.let_go.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert listers.order == ["first", "b", "d", "a", "c", "e"]


async def test_a_change_counts_for_those_that_wait():
    """Raised or lowered: of one priority whoever came first is still first; the others keep their places."""
    listers = Listers()
    given = (("first", 0), ("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 0))
    tasks = [await listers.start(name, priority) for name, priority in given]
    listers.turns.prioritise({0: -3, 1: 0, 2: 1, 4: 2, 9: 5})
    listers.let_go.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert listers.order == ["first", "d", "b", "c", "a", "e"]


async def test_who_is_cancelled_holds_up_nobody():
    """While it waits, or when it was just called."""
    listers = Listers()
    first, gone, called, last = [
        await listers.start(name, priority)
        for name, priority in (("first", 0), ("gone", 9), ("called", 8), ("last", 1))
    ]
    gone.cancel()
    await asyncio.sleep(0)
    first.cancel()
    # The first ends its turn, and the one that is called then ends before it knows.
    await asyncio.gather(first, return_exceptions=True)
    called.cancel()
    listers.let_go.set()
    async with asyncio.timeout(30):
        await last
    assert listers.order in (["first", "last"], ["first", "called", "last"])
    async with listers.turns.turn(0):
        pass


async def test_a_failure_ends_a_turn():
    """The next has it."""
    turns = ListingTurns()
    with pytest.raises(ConnectionError):
        async with turns.turn(0):
            raise ConnectionError
    async with asyncio.timeout(30), turns.turn(0):
        pass
