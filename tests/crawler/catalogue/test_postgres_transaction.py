from __future__ import annotations

import asyncio
import time

import psycopg
import pytest
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.crawler.catalogue.database import Database
from services.crawler.catalogue.schema import crawls, writers
from tests.postgres.cutting_proxy import Cut, CuttingProxy

COUNT_UP = update(crawls).values(found_count=crawls.c.found_count + 1)
ROW = {
    "crawl_id": "c1",
    "request_id": "r1",
    "profile_name": "p",
    "profile_version": 1,
    "state": "RUNNING",
    "max_listings": 0,
    "max_accepted": 0,
    "create_time": 1.0,
}


@pytest.fixture
def url(postgres):
    with postgres.database() as url:
        yield url


@pytest.fixture
async def database(url):
    """With one crawl, whose listings can be counted up."""
    database = Database(url)
    await database.run(lambda c: c.execute(insert(crawls), ROW))
    yield database
    database.close()


def counted(connection):
    return connection.execute(select(crawls.c.found_count)).scalar_one()


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_connection_that_breaks_in_commit(postgres, url, cut):
    """Whether the server has committed or not: each transaction is there once, and its result is that of its run."""
    with CuttingProxy(postgres.port) as proxy:
        database = await asyncio.to_thread(Database, url.set(port=proxy.port))
        await database.run(lambda c: c.execute(insert(crawls), ROW))
        results = []
        for number in range(12):
            proxy.cuts = [cut] * (number % 3)
            results.append(
                await database.run(
                    lambda c: c.execute(COUNT_UP.returning(crawls.c.found_count)).scalar_one()
                )
            )
            assert proxy.cuts == []
        assert results == list(range(1, 13))
        assert await database.run(counted) == 12
        database.close()


async def test_what_only_reads_commits_nothing(database):
    """It counts as no commit, so that nothing is written for it."""
    query = select(writers.c.commit_number)
    [before] = await database.run(lambda c: c.scalars(query).all())
    await database.run(counted)
    assert await database.run(lambda c: c.scalars(query).all()) == [before]
    await database.run(lambda c: c.execute(COUNT_UP))
    assert await database.run(lambda c: c.scalars(query).all()) == [before + 1]


@pytest.mark.parametrize("how", ["immediate", "killed"])
async def test_a_server_that_crashes_under_load(postgres, database, how):
    """Every transaction that was promised is there, once."""
    for _ in range(3):
        work = [
            asyncio.create_task(database.run(lambda c: c.execute(COUNT_UP))) for _ in range(200)
        ]
        await work[20]
        await asyncio.to_thread(postgres.stop, how)
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(30):
            await asyncio.gather(*work)
    assert await database.run(counted) == 600


async def test_an_administrator_ends_the_session(postgres, database):
    """The next transaction has a new one."""
    await asyncio.to_thread(
        postgres.execute,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lodestone%'",
    )
    await database.run(lambda c: c.execute(COUNT_UP))
    assert await database.run(counted) == 1


async def test_a_row_that_somebody_holds(url, database):
    """The lock timeout passes: it is tried again until the row is free."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)

    def work(connection):
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20ms'")
        connection.execute(COUNT_UP)

    with psycopg.connect(address) as other:
        other.execute("SELECT * FROM crawls FOR UPDATE")
        task = asyncio.create_task(database.run(work))
        while not database.waits_for:
            await asyncio.sleep(0.01)
        assert "lock timeout" in database.waits_for
    async with asyncio.timeout(20):
        await task
    assert await database.run(counted) == 1


async def test_conflicts_do_not_go_on_for_ever(database, monkeypatch):
    """Work that brings them about each time fails at last."""
    monkeypatch.setattr("services.crawler.catalogue.outage._LAST_WAIT_S", 0.01)
    tries = []

    def work(connection):
        tries.append(1)
        connection.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    with pytest.raises(DBAPIError):
        await database.run(work)
    assert len(tries) == 10
    assert database.waits_for == ""


async def test_a_process_that_slept_inside_a_transaction(database):
    """The server has let go of what it held; the work is done again, whole."""
    slept = []

    def work(connection):
        connection.execute(COUNT_UP)
        if not slept:
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
            slept.append(1)
            time.sleep(0.3)
        connection.execute(COUNT_UP)

    await database.run(work)
    assert await database.run(counted) == 2


async def test_a_statement_that_takes_too_long_is_not_tried_again(database):
    """It would take as long the next time, and everybody else waits."""
    tries = []

    def work(connection):
        tries.append(1)
        connection.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
        connection.exec_driver_sql("SELECT pg_sleep(5)")

    with pytest.raises(DBAPIError, match="statement timeout"):
        await database.run(work)
    assert tries == [1]


async def test_a_row_that_is_there_already_is_no_conflict(database):
    """What is wrong with the work itself is raised at once."""
    with pytest.raises(IntegrityError):
        await database.run(lambda c: c.execute(insert(crawls), ROW))
    count = select(func.count()).where(crawls.c.crawl_id == bindparam("crawl_id"))
    assert await database.run(lambda c: c.execute(count, {"crawl_id": "c1"}).scalar_one()) == 1
