from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest

from services.crawler.catalogue import crawlers, crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.catalogue.postgres_server import CatalogueLost, parse_server
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.servicekit.errors import Misconfigured
from tests.fakes.canary import CANARY, has_canary

PROFILE = ProfileVersion("p", 1)


@pytest.fixture
def url(postgres):
    with postgres.database() as url:
        yield url


@pytest.mark.parametrize(
    ("address", "host", "database"),
    [
        ("postgresql://me:secret@db.example:5433/mine?sslmode=require", "db.example", "mine"),
        ("postgres://db.example/mine", "db.example", "mine"),
        ("postgresql:///mine?host=/run/postgresql", None, "mine"),
    ],
)
def test_addresses(address, host, database):
    """As other programs write them."""
    url = parse_server(address)
    assert (url.drivername, url.host, url.database) == ("postgresql+psycopg", host, database)


@pytest.mark.parametrize(
    "address",
    [
        CANARY,
        f"mysql://me:{CANARY}@h/d",
        f"postgresql://me:{CANARY}@h",
        f"postgresql://me:{CANARY}@h:port/d",
        f"postgresql+psycopg2://me:{CANARY}@h/d",
    ],
)
def test_what_is_no_address_is_not_quoted(address):
    """It may have a password."""
    with pytest.raises(Misconfigured, match="not an address like postgresql://") as refused:
        parse_server(address)
    assert not has_canary(str(refused.value))


def test_nobody_listens(url):
    """After a while the start fails, with the server's place and what was tried."""
    with pytest.raises(Misconfigured, match=r"on 127.0.0.1 cannot be used .*refused") as refused:
        Database(url.set(port=1), patience_s=0.2)
    assert not has_canary(str(refused.value))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"password": f"{CANARY}!"}, "password authentication failed"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"query": {"sslmode": "require"}}, "SSL"),
        ({"query": {"sslmode": "sometimes"}}, "sslmode"),
    ],
)
def test_a_server_that_refuses(url, parts, message):
    """It is asked once: asking again would not help."""
    with pytest.raises(Misconfigured, match=message) as refused:
        Database(url.set(**parts), patience_s=600.0)
    assert not has_canary(str(refused.value))


def test_nothing_may_be_made(postgres, url):
    """Somebody who may look and not create is told so by the server's words."""
    postgres.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
    denied = pytest.raises(Misconfigured, match="permission denied for schema public")
    with postgres.database("template0") as empty, denied:
        Database(empty.set(username="reader", password="reader"))
    postgres.execute("DROP ROLE reader")


def test_a_database_of_another_encoding(postgres):
    """Not every title fits into one that is not UTF-8."""
    postgres.execute(
        "CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc"
    )
    with pytest.raises(Misconfigured, match="encoding is LATIN1"):
        Database(postgres.url("old"))
    postgres.execute("DROP DATABASE old")


async def test_what_a_session_is_told(url):
    """Committed is what is on the server's disk, and nothing hangs for ever."""
    database = Database(url)
    for name, expected in (
        ("synchronous_commit", "on"),
        ("transaction_isolation", "read committed"),
        ("statement_timeout", "5min"),
        ("lock_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("tcp_keepalives_idle", "10"),
    ):
        query = f"SHOW {name}"
        shown = await database.run(lambda c, q=query: c.exec_driver_sql(q).scalar_one())
        assert shown == expected, name
    database.close()


async def test_a_role_that_does_not_wait_for_the_disk(postgres, url):
    """Its setting does not count here."""
    postgres.execute("ALTER ROLE crawler SET synchronous_commit = off")
    database = Database(url)
    postgres.execute("ALTER ROLE crawler RESET synchronous_commit")
    query = "SHOW synchronous_commit"
    assert await database.run(lambda c: c.exec_driver_sql(query).scalar_one()) == "on"
    database.close()


def test_two_catalogues_share_a_database(postgres, url):
    """In schemas of their own, with a crawler each."""
    postgres.execute("CREATE SCHEMA second", url.database)
    first = Database(url)
    second = Database(url.update_query_dict({"options": "-csearch_path=second"}))
    second.close()
    first.close()


def test_crawlers_that_start_together(postgres):
    """Of eight, one makes the catalogue, alone; the others wait for it, and join."""
    opened = []

    with postgres.database("template0") as empty:
        threads = [
            threading.Thread(target=lambda: opened.append(Database(empty))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(opened) == 8
        assert sum(database.was_alone for database in opened) == 1
        for database in opened:
            database.close()


async def test_who_begins_alone_tidies_up(url):
    """What an earlier crawler held is free; what one that is there holds is not."""

    def hold(connection):
        crawls.create_crawl(connection, "c", CrawlRequest("r", ("urls:/a",), PROFILE), now=1.0)
        found = [Listing("urls:/a", f"http://h/{number}.jpg") for number in range(2)]
        frontier.add_listings(connection, "c", found, now=1.0)
        return frontier.lease(connection, "c", LeaseTerms("first", 2.0, 1e9), limit=1)

    def lease(connection):
        return frontier.lease(connection, "c", LeaseTerms("other", 3.0, 60.0), limit=9)

    first = Database(url)
    await first.run(hold)
    second = Database(url)
    assert not second.was_alone
    assert [one.listing.url for one in await second.run(lease)] == ["http://h/1.jpg"]
    first.close()
    second.close()
    third = Database(url)
    assert third.was_alone
    assert len(await third.run(lease)) == 2
    third.close()


def test_somebody_has_it_to_himself(postgres, url):
    """Who repairs keeps crawlers out, and is kept out by them."""
    lock = "SELECT pg_try_advisory_lock(1282368613, hashtext('public'))"
    with psycopg.connect(postgres.address(url.database), autocommit=True) as repairer:
        assert repairer.execute(lock).fetchone() == (True,)
        with pytest.raises(Misconfigured, match="somebody has it to himself"):
            Database(url, patience_s=0.2)
    database = Database(url)
    with psycopg.connect(postgres.address(url.database), autocommit=True) as repairer:
        assert repairer.execute(lock).fetchone() == (False,)
    database.close()


def test_crawlers_of_another_version_are_not_joined(postgres, url):
    """A new one migrates once they are gone, and says meanwhile what it waits for."""
    old = Database(url)
    postgres.execute("UPDATE alembic_version SET version_num = '0006'", url.database)
    with pytest.raises(Misconfigured, match="crawlers of another version use it"):
        Database(url, patience_s=0.2)
    postgres.execute("UPDATE alembic_version SET version_num = '0007'", url.database)
    old.close()


async def test_crawlers_are_counted(postgres, url):
    """Those that were heard of just now; what a dead one left is forgotten after a day."""
    first, second = Database(url), Database(url)
    assert await first.run(crawlers.count_crawlers) == 2
    postgres.execute("UPDATE writers SET seen_time = seen_time - 60", url.database)
    assert await second.run(crawlers.count_crawlers) == 1
    await first.run(crawlers.count_crawlers)
    assert await second.run(crawlers.count_crawlers) == 2
    second.close()
    postgres.execute(
        "UPDATE writers SET seen_time = seen_time - 90000 WHERE seen_time IN "
        "(SELECT min(seen_time) FROM writers)",
        url.database,
    )
    await first.run(crawlers.count_crawlers)
    assert postgres.execute("SELECT count(*) FROM writers", url.database) == [(1,)]
    first.close()


def test_a_server_that_comes_later(postgres, url):
    """A crawler that starts first waits for it."""
    postgres.stop()
    opened = []
    thread = threading.Thread(target=lambda: opened.append(Database(url)))
    thread.start()
    postgres.start()
    thread.join()
    opened[0].close()


@pytest.mark.parametrize("how", ["fast", "immediate", "killed"])
async def test_work_waits_for_a_server_that_restarts(postgres, url, how):
    """Whatever ended it: the reason can be asked for meanwhile, and nothing fails."""
    database = Database(url)
    postgres.stop(how)
    work = asyncio.create_task(database.run(crawls.list_crawls))
    while not database.waits_for:
        await asyncio.sleep(0.01)
    assert not work.done()
    await asyncio.to_thread(postgres.start)
    async with asyncio.timeout(20):
        assert await work == []
    assert database.waits_for == ""
    database.close()


async def test_a_process_that_ends_does_not_wait(postgres, url):
    """Work that waits for the server is told that it will not be done."""
    database = Database(url)
    postgres.stop()
    work = asyncio.create_task(database.run(crawls.list_crawls))
    while not database.waits_for:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(database.close)
    with pytest.raises(Exception, match="the catalogue is unavailable"):
        await work
    await asyncio.to_thread(postgres.start)


async def test_another_crawler_has_had_the_catalogue(postgres, url):
    """Who begins alone takes it for dead: what it remembers may be wrong, and it does nothing more."""
    first = Database(url)
    postgres.stop()
    await asyncio.to_thread(postgres.start)
    second = Database(url)
    with pytest.raises(CatalogueLost, match="taken over while it could not be reached"):
        await first.run(crawls.list_crawls)
    second.close()
    with pytest.raises(CatalogueLost):
        await first.run(crawls.list_crawls)
    first.close()
