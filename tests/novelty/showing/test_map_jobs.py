from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from services.novelty.showing.map_jobs import MapJobs
from services.servicekit.errors import Overloaded
from tests.novelty.tastes import unit_rows


class Gate:
    """A map that waits until it is let through."""

    def __init__(self):
        self.started = threading.Semaphore(0)
        self.open = threading.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.drawn = []

    def __call__(self, embeddings):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.started.release()
        assert self.open.wait(10)
        self.at_once -= 1
        self.drawn.append(len(embeddings))
        return np.zeros((len(embeddings), 2))


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
async def jobs(gate):
    jobs = MapJobs(gate, limit=2)
    yield jobs
    gate.open.set()
    await jobs.close()


async def begun(gate):
    assert await asyncio.to_thread(gate.started.acquire, timeout=10)


async def test_one_map_is_drawn_at_a_time(jobs, gate):
    """The second one waits for the first, and both come."""
    maps = [asyncio.create_task(jobs.run(unit_rows(count))) for count in (3, 5)]
    await begun(gate)
    gate.open.set()
    assert [len(places) for places in await asyncio.gather(*maps)] == [3, 5]
    assert gate.most_at_once == 1


async def test_too_many_maps(jobs, gate):
    """One too many is told so at once, and finds room when one is drawn."""
    maps = [asyncio.create_task(jobs.run(unit_rows(3))) for _ in range(2)]
    await begun(gate)
    with pytest.raises(Overloaded, match="the map queue is full"):
        await jobs.run(unit_rows(3))
    gate.open.set()
    await asyncio.gather(*maps)
    assert len(await jobs.run(unit_rows(4))) == 4


async def test_a_caller_that_goes_takes_up_room_until_the_map_is_drawn(jobs, gate):
    """A client that asks and hangs up again and again does not heap up work."""
    maps = [asyncio.create_task(jobs.run(unit_rows(3))) for _ in range(2)]
    await begun(gate)
    for one in maps:
        one.cancel()
    await asyncio.gather(*maps, return_exceptions=True)
    with pytest.raises(Overloaded):
        await jobs.run(unit_rows(3))


async def test_a_map_that_fails(gate):
    """Its caller gets the error, the next one a map."""

    def draw(embeddings):
        if len(embeddings) == 1:
            raise ValueError("one point")
        return np.zeros((len(embeddings), 2))

    jobs = MapJobs(draw, limit=1)
    with pytest.raises(ValueError, match="one point"):
        await jobs.run(unit_rows(1))
    assert len(await jobs.run(unit_rows(2))) == 2
    await jobs.close()


async def test_closing_waits_for_what_is_at_work_alone(gate):
    """What has not begun is given up."""
    jobs = MapJobs(gate, limit=2)
    maps = [asyncio.create_task(jobs.run(unit_rows(count))) for count in (3, 5)]
    await begun(gate)
    closing = asyncio.create_task(jobs.close())
    with pytest.raises(asyncio.CancelledError):
        await maps[1]
    gate.open.set()
    await closing
    assert len(await maps[0]) == 3
    assert gate.drawn == [3]
