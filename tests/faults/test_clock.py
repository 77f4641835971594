"""A clock that jumps by an hour, forth and back, under a whole crawler."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta

from tests.faults.fake_time import library
from tests.faults.places import off_loop
from tests.faults.rig import working


def told_times(rig):
    """When the lines of the log were written, by the crawler's own clock."""
    # The last line may be half written.
    lines = rig.log.read_text().rpartition("\n")[0].splitlines()
    return [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in lines]


async def until_ahead(rig, ahead):
    """Returns when the crawler, which logs whatever it fetches, has its clock so far ahead."""
    async with asyncio.timeout(60):
        while not (times := told_times(rig)) or (
            abs(times[-1] - datetime.now(UTC) - ahead) > timedelta(minutes=10)
        ):
            await asyncio.sleep(0.05)


async def test_a_clock_that_jumps(in_folder, tmp_path, expected):
    """An hour forth, back again, and an hour back: no listing is lost, done twice or held for an hour."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    crawler = in_folder.start_plainly(
        LD_PRELOAD=library(),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        # Every look at the clock would read the file otherwise. A jump is seen after two seconds at most.
        FAKETIME_CACHE_DURATION="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    async with working(in_folder, expected) as work:
        for hours in (0, 1, 0, -1, 0):
            clock.write_text(f"{hours:+}h")
            await until_ahead(in_folder, timedelta(hours=hours))
            await work.more(12)
    crawler.signal(signal.SIGTERM)
    assert await crawler.wait() == 0
    assert await off_loop(in_folder.place.lease_count) == 0
    times = told_times(in_folder)
    assert max(times) - min(times) > timedelta(hours=1, minutes=59)
