"""A clock that jumps by an hour, forth and back, under a whole crawler."""

from __future__ import annotations

import json
import signal
from datetime import datetime, timedelta

from tests.faults.fake_time import library
from tests.faults.places import off_loop
from tests.faults.rig import working


async def test_a_clock_that_jumps(in_folder, tmp_path, expected):
    """An hour forth, back again, and an hour back: no listing is lost, done twice or held for an hour."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    crawler = in_folder.start_plainly(
        LD_PRELOAD=library(),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    async with working(in_folder, expected) as work:
        for jump in ("+1h", "+0", "-1h", "+0"):
            await work.more(12)
            clock.write_text(jump)
        await work.more(12)
    crawler.signal(signal.SIGTERM)
    assert await crawler.wait() == 0
    assert await off_loop(in_folder.place.lease_count) == 0
    lines = in_folder.log.read_text().splitlines()
    times = [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in lines]
    assert max(times) - min(times) > timedelta(hours=1, minutes=59)
