"""Judgements that a person's word ends."""

from __future__ import annotations

import asyncio
from functools import partial

from sqlalchemy import text

from services.crawler.catalogue import releases
from services.crawler.catalogue.accept_order import share_accept_lock
from tests.crawler.store.replacing_world import Copies, digest_of

_WAITS = text(
    "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
)


async def test_a_release_waits_for_whoever_records(postgres, tmp_path):
    """Who has read a judgement writes what he takes from that before it is gone."""
    with postgres.database() as url:
        recording, releasing, looking = team = [Copies(tmp_path, url, alone=False) for _ in "abc"]
        await recording.begin()
        one, two = await recording.lease(2)
        await recording.accept(one, 1)
        await recording.accept(two, 2, bits=3)
        find = partial(releases.find_rejected, digest=digest_of(2), other=digest_of(1))
        [rejected] = await releasing.database.run(find)
        loop, waits = asyncio.get_running_loop(), asyncio.Event()
        begun = asyncio.Event()

        def hold(connection):
            share_accept_lock(connection)
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(waits.wait(), loop).result(20)

        holding = asyncio.create_task(recording.database.run(hold))
        await begun.wait()
        release = partial(releases.release, rejected=rejected)
        released = asyncio.create_task(releasing.database.run(release))
        waiting = 0
        while not released.done() and not waiting:
            waiting = await looking.database.run(lambda c: c.execute(_WAITS).scalar_one())
        waits.set()
        await asyncio.gather(holding, released)
        assert waiting
        assert await recording.database.run(find) == []
        for crawler in team:
            await crawler.close()
