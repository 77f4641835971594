from __future__ import annotations

import asyncio
import threading

import pytest
import structlog

from services.novelty.fit_jobs import FitJobs
from services.novelty.liked_images import Learned
from services.novelty.profile_store import ProfileStore
from services.servicekit.errors import InvalidInput, Overloaded, Unavailable
from tests.novelty.tastes import liked_images, options, submission, taste

SENT = submission()


def learned():
    return Learned(taste(), liked_images())


@pytest.fixture(autouse=True)
def logs():
    with structlog.testing.capture_logs() as entries:
        yield entries


class Gate:
    """A fit that waits until it is let through, or stopped."""

    def __init__(self):
        self.started = threading.Event()
        self.open = threading.Event()
        self.fits = []

    def __call__(self, liked_set, options, *, stopped):
        self.started.set()
        while not self.open.wait(0.001):
            if stopped():
                raise Unavailable("this server", "it is shutting down")
        self.fits.append(options.request_id)
        return learned()


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
async def jobs(tmp_path, gate):
    store = ProfileStore(tmp_path / "profiles", libraries={})
    running = FitJobs(store, gate, limit=2)
    yield running
    await running.close()


async def started(gate):
    assert await asyncio.to_thread(gate.started.wait, 10)


async def test_a_fit_is_stored(jobs, gate):
    """The profile comes back with its version."""
    gate.open.set()
    assert str(await jobs.run(SENT, options())) == "landscapes@1"
    assert str(await jobs.run(SENT, options(request_id="two"))) == "landscapes@2"


async def test_the_same_request_is_fitted_once(jobs, gate):
    """While it runs and afterwards, the same id brings the same profile."""
    first, second = (asyncio.create_task(jobs.run(SENT, options())) for _ in range(2))
    await started(gate)
    gate.open.set()
    assert await first is await second
    assert str(await jobs.run(SENT, options())) == str(await first)
    assert gate.fits == ["request-1"]


async def test_a_fit_goes_on_without_its_caller(jobs, gate):
    """A client that went away and sends the request again gets the profile of the first one."""
    first = asyncio.create_task(jobs.run(SENT, options()))
    await started(gate)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.open.set()
    assert str(await jobs.run(SENT, options())) == "landscapes@1"
    assert gate.fits == ["request-1"]


async def test_too_many_fits(jobs, gate):
    """The one at work and the one that waits are all; a third is told to come again."""
    waiting = [asyncio.create_task(jobs.run(SENT, options(request_id=name))) for name in "ab"]
    await started(gate)
    with pytest.raises(Overloaded, match=r"the fit queue is full \(2 items\)"):
        await jobs.run(SENT, options(request_id="c"))
    gate.open.set()
    assert [str(await task) for task in waiting] == ["landscapes@1", "landscapes@2"]
    assert str(await jobs.run(SENT, options(request_id="c"))) == "landscapes@3"


async def test_a_fit_that_fails_can_be_tried_again(tmp_path, logs):
    """The error reaches the caller and the log, and the id is free again."""

    def fit(liked_set, options, *, stopped):
        raise InvalidInput(f"bad {len(logs)}")

    jobs = FitJobs(ProfileStore(tmp_path, libraries={}), fit, limit=1)
    for number in range(2):
        with pytest.raises(InvalidInput, match=f"bad {number}"):
            await jobs.run(SENT, options())
    assert [entry["event"] for entry in logs] == ["fit_failed", "fit_failed"]
    await jobs.close()


async def test_closing_stops_what_runs_and_what_waits(tmp_path, gate):
    """Nothing is stored, and the callers learn why."""
    store = ProfileStore(tmp_path / "profiles", libraries={})
    jobs = FitJobs(store, gate, limit=2)
    waiting = [asyncio.create_task(jobs.run(SENT, options(request_id=name))) for name in "ab"]
    await started(gate)
    async with asyncio.timeout(10):
        await jobs.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert store.names() == []
