from __future__ import annotations

import asyncio

from services.crawler.keyed_lock import KeyedLock


async def test_one_holder_per_key():
    """Tasks of one key take turns, tasks of another go beside them, and nothing is left over."""
    lock = KeyedLock()
    holding: list[str] = []
    most = {"a": 0, "all": 0}

    async def work(key):
        async with lock.hold(key):
            holding.append(key)
            most["a"] = max(most["a"], holding.count("a"))
            most["all"] = max(most["all"], len(holding))
            for _ in range(3):
                await asyncio.sleep(0)
            holding.remove(key)

    await asyncio.gather(*(work(key) for key in "aabbaab"))
    assert most == {"a": 1, "all": 2}
    assert lock._locks == {}
    assert lock._users == {}
