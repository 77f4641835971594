from __future__ import annotations

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from services.crawler.store.blob_store import StoreAway
from services.crawler.store.store_wait import StoreWait


class Disk:
    """Takes things while it has room."""

    def __init__(self):
        self.has_room = True
        self.taken = []
        self.tries = 0

    def put(self, thing):
        async def attempt():
            self.tries += 1
            await asyncio.sleep(0)
            if not self.has_room:
                raise StoreAway("/data", "No space left on device")
            self.taken.append(thing)
            return thing

        return attempt


@pytest.fixture
def disk():
    return Disk()


def wait(**options):
    return StoreWait(**{"first_s": 0.01, "last_s": 0.02, **options})


async def begun(disk, waiting, count):
    """So many that want to put something, and wait."""
    tasks = [asyncio.create_task(waiting.run(disk.put(number))) for number in range(count)]
    while not waiting.waiting_for:
        await asyncio.sleep(0.001)
    return tasks


async def test_what_goes_well_is_returned(disk):
    """Once, and nobody waits."""
    waiting = wait()
    assert await waiting.run(disk.put("a")) == "a"
    assert (disk.tries, waiting.waiting_for) == (1, "")
    waiting.require_there()


async def test_all_go_on_when_there_is_room(disk):
    """While the disk is full they wait, say for what, and log one line; then each is done once."""
    waiting = wait()
    disk.has_room = False
    with capture_logs() as logs:
        tasks = await begun(disk, waiting, 16)
        while disk.tries < 40:
            await asyncio.sleep(0.001)
        assert waiting.waiting_for == "waiting for the store /data: No space left on device"
        with pytest.raises(StoreAway, match="No space"):
            waiting.require_there()
        disk.has_room = True
        assert await asyncio.gather(*tasks) == list(range(16))
    assert sorted(disk.taken) == list(range(16))
    assert waiting.waiting_for == ""
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("store_away", "warning"),
        ("store_back", "info"),
    ]


async def test_one_tries_for_all(disk):
    """After each has tried once, there is one try at a time."""
    waiting = wait(first_s=0.05, last_s=0.05)
    disk.has_room = False
    tasks = await begun(disk, waiting, 16)
    while disk.tries < 20:
        await asyncio.sleep(0.001)
    loop = asyncio.get_running_loop()
    began_s, tries = loop.time(), disk.tries
    while disk.tries < tries + 4:
        await asyncio.sleep(0.001)
    assert loop.time() - began_s > 0.14
    disk.has_room = True
    await asyncio.gather(*tasks)


async def test_a_long_wait_is_logged_again_and_again(disk):
    """One line each time that so much has passed."""
    waiting = wait(log_every_s=0.05)
    disk.has_room = False
    with capture_logs() as logs:
        tasks = await begun(disk, waiting, 4)
        while len(logs) < 3:
            await asyncio.sleep(0.001)
        lines, tries = len(logs), disk.tries
        disk.has_room = True
        await asyncio.gather(*tasks)
    assert tries > 2 * lines
    assert {one["cause"] for one in logs[:lines]} == {"No space left on device"}


async def test_whoever_waits_may_be_cancelled(disk):
    """Others still wait; once nobody does, the store is not said to be away any more."""
    waiting = wait()
    disk.has_room = False
    first, second = await begun(disk, waiting, 2)
    for task in (first, second):
        assert waiting.waiting_for
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert waiting.waiting_for == ""
    waiting.require_there()


async def test_other_errors_are_the_callers(disk):
    """They end it, also while it waits."""
    waiting = wait()
    disk.has_room = False

    async def breaks_later():
        await disk.put("x")()

    async def breaks():
        raise KeyError("x")

    with pytest.raises(KeyError):
        await waiting.run(breaks)
    [task] = await begun(disk, waiting, 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await waiting.run(breaks_later)
    with pytest.raises(KeyError):
        other = asyncio.create_task(waiting.run(breaks))
        disk.has_room = True
        await task
        await other
