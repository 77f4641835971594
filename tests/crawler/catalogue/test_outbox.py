"""What the outbox does by itself; `tests/crawler/sinks/test_delivering.py` has it at work."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine

from services.crawler.catalogue import outbox, sink_reports
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.catalogue.outbox import Failure

KEPT = [(f"{n:064x}", "landscapes") for n in range(6)]


def terms(owner, now=10.0):
    return LeaseTerms(owner, now, 60.0)


def fill(connection):
    sink_reports.register(connection, {"mirror": "folder", "hook": "webhook"}, now=1.0)
    outbox.add(connection, KEPT, now=2.0)


async def test_each_sink_is_owed_each_image_in_order(database):
    """Twice changes nothing."""
    await database.run(fill)
    await database.run(fill)
    found = await database.run(lambda c: outbox.lease(c, "hook", terms("me"), limit=99))
    assert [(one.digest, one.profile_name) for one in found] == KEPT
    assert {one.tries for one in found} == {1}
    assert await database.run(lambda c: sink_reports.count_pending(c, "mirror")) == 6


async def test_no_more_are_leased_than_the_limit_by_all_together(database):
    """What expired is free again, for somebody else as well."""
    await database.run(fill)

    async def leased(owner, now, limit=4):
        found = await database.run(
            lambda c: outbox.lease(c, "hook", terms(owner, now), limit=limit)
        )
        return [int(one.digest, 16) for one in found]

    assert await leased("a", 10.0, limit=3) == [0, 1, 2]
    assert await leased("b", 11.0) == [3]
    assert await leased("c", 12.0) == []
    assert await leased("c", 70.5) == [0, 1, 2]
    assert await leased("c", 71.5, limit=9) == [3, 4, 5]


async def test_only_the_owner_ends_a_delivery(database):
    """Whoever lost his lease changes nothing."""
    await database.run(fill)
    [first] = await database.run(lambda c: outbox.lease(c, "hook", terms("a"), limit=1))
    [again] = await database.run(lambda c: outbox.lease(c, "hook", terms("b", 99.0), limit=1))
    assert (again.delivery_id, again.tries) == (first.delivery_id, 2)

    def late(connection):
        return outbox.record_delivered(connection, first.delivery_id, "a", note="", now=100.0)

    def refused(connection):
        no = Failure("no", refused=True, counted=True, wait_s=5.0)
        return outbox.record_failure(connection, first.delivery_id, "b", no, now=101.0)

    assert [await database.run(work) for work in (late, refused, refused)] == [False, True, False]
    [report] = [one for one in await database.run(sink_reports.list_sinks) if one.name == "hook"]
    assert (report.pending_count, report.delivered_count, report.refused_count) == (5, 0, 1)


async def test_a_delivery_waits_for_as_long_as_it_is_told(database):
    """The next one does not."""
    await database.run(fill)
    [first] = await database.run(lambda c: outbox.lease(c, "hook", terms("a"), limit=1))
    wait = Failure("later", refused=False, counted=False, wait_s=5.0)
    await database.run(lambda c: outbox.record_failure(c, first.delivery_id, "a", wait, now=10.0))

    async def next_at(now):
        [found] = await database.run(lambda c: outbox.lease(c, "hook", terms("a", now), limit=1))
        await database.run(lambda c: outbox.release_owner(c, "a"))
        return int(found.digest, 16)

    assert [await next_at(14.9), await next_at(15.0)] == [1, 0]


@pytest.mark.parametrize("limit", [1, 4])
def test_two_crawlers_on_one_server_keep_the_limit(postgres, limit):
    """They lease at the same moment, over connections of their own: the second waits, and who accepts does not."""
    with postgres.database() as url:
        database = Database(url)
        database.close()
        engine = create_engine(url)
        with engine.begin() as connection:
            fill(connection)
        found = []

        def lease_too():
            with engine.begin() as connection:
                found.extend(outbox.lease(connection, "hook", terms("b"), limit=limit))

        with engine.connect() as first:
            leased = outbox.lease(first, "hook", terms("a"), limit=limit)
            with engine.begin() as accepting:
                accepting.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
                outbox.add(accepting, [("f" * 64, "sunsets")], now=3.0)
            second = threading.Thread(target=lease_too)
            second.start()
            _until_it_waits(engine)
            first.commit()
        second.join(20)
        assert not second.is_alive()
        assert (len(leased), found) == (limit, [])
        engine.dispose()


def _until_it_waits(engine):
    with engine.connect() as watching:
        for _ in range(10_000):
            text = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            if watching.exec_driver_sql(text).scalar_one():
                return
            watching.rollback()
    pytest.fail("the second did not wait")
