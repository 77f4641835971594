from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from services.crawler.catalogue.database import Database
from services.crawler.catalogue.schema import seen_images
from services.crawler.verifying.catalogue_reading import CatalogueUnreadable
from services.crawler.verifying.catalogue_server import CatalogueServer
from services.crawler.verifying.locked_server import LockedServer
from services.servicekit.errors import Misconfigured
from tests.fakes.canary import CANARY, has_canary

ADD = (
    "INSERT INTO seen_images (profile_name, digest, hash64, hash256, flat)"
    " VALUES ('p', '{}', '0', '\\x00', false)"
)


@pytest.fixture
def url(postgres):
    with postgres.database() as url:
        yield url


def address(url):
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def catalogue(url):
    with closing(CatalogueServer(url)) as catalogue:
        yield catalogue


def seen_count(connection):
    return connection.execute(select(func.count()).select_from(seen_images)).scalar_one()


async def test_one_state_while_a_crawler_writes(url, catalogue):
    """What is committed meanwhile is not seen before the next look, and nobody waits for anybody."""
    database = Database(url)
    try:
        with catalogue.read() as connection:
            assert seen_count(connection) == 0
            await database.run(lambda c: c.execute(text(ADD.format("d"))))
            assert seen_count(connection) == 0
        with catalogue.read() as connection:
            assert seen_count(connection) == 1
        assert catalogue.damage() == []
    finally:
        database.close()


def test_it_cannot_be_written(catalogue):
    """Whoever tries gets an error: a check changes nothing."""
    with (
        pytest.raises(CatalogueUnreadable, match="read-only transaction"),
        catalogue.read() as connection,
    ):
        connection.execution_options(stream_results=False).execute(text(ADD.format("d")))


def test_rows_come_by_and_by(url, catalogue):
    """However many there are: a cursor of the server's has them, not this process."""
    with psycopg.connect(address(url)) as writer:
        writer.execute(
            "INSERT INTO seen_images (profile_name, digest, hash64, hash256, flat)"
            " SELECT 'p', n::text, '0', '\\x00', false FROM generate_series(1, 5000) AS n"
        )
    with catalogue.read() as connection:
        rows = iter(connection.execute(select(seen_images.c.digest)))
        next(rows)
        query = "SELECT count(*) FROM pg_cursors"
        named = connection.connection.dbapi_connection.execute(query).fetchone()
        assert named == (1,)
        assert sum(1 for _ in rows) == 4999


def test_what_is_forgotten_does_not_hold_the_server_up(catalogue):
    """A reader in a transaction is ended after a while; nothing waits for a lock, or runs, for ever."""
    with catalogue.read() as connection:
        for name, expected in (
            ("transaction_isolation", "repeatable read"),
            ("transaction_read_only", "on"),
            ("lock_timeout", "10s"),
            ("statement_timeout", "1h"),
            ("idle_in_transaction_session_timeout", "10min"),
        ):
            shown = connection.connection.dbapi_connection.execute(f"SHOW {name}").fetchone()
            assert shown == (expected,), name


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", r"of a newer version \(9999\)"),
        ("UPDATE alembic_version SET version_num = '0002'", "of version 0002, and .* is read here"),
        ("DELETE FROM alembic_version", "is no catalogue: it states no version"),
        ("DROP TABLE alembic_version", "is no catalogue: it states no version"),
    ],
)
def test_other_versions(url, statement, said):
    """Newer, older, and a database of something else: each is told, with the place."""
    with psycopg.connect(address(url)) as stranger:
        stranger.execute(statement)
    with pytest.raises(CatalogueUnreadable, match=said) as told:
        CatalogueServer(url)
    assert told.value.place == f"the PostgreSQL database {url.database!r} on 127.0.0.1"
    assert not has_canary(str(told.value))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"port": 1}, "refused"),
        ({"password": f"{CANARY}!"}, "password authentication failed"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_a_server_that_cannot_be_asked(url, parts, said):
    """In its own words, without the password; to read it, and to repair what is in it."""
    for opens in (CatalogueServer, LockedServer):
        with pytest.raises(CatalogueUnreadable, match=said) as told:
            opens(url.set(**parts))
        assert not has_canary(str(told.value))


def test_a_role_that_may_not_read(url, postgres):
    """The server's words name the table."""
    postgres.execute("CREATE ROLE outsider LOGIN PASSWORD 'outsider'")
    try:
        with pytest.raises(CatalogueUnreadable, match="permission denied for table"):
            CatalogueServer(url.set(username="outsider", password="outsider"))
    finally:
        postgres.execute("DROP ROLE outsider")


async def test_the_lock_of_a_repair(url, catalogue):
    """One at a time, and none beside a crawler; what is written under it is there."""
    first = LockedServer(url)
    with pytest.raises(Misconfigured, match="a crawler uses the PostgreSQL database"):
        LockedServer(url)
    await first.run(lambda c: c.execute(text(ADD.format("d"))))
    first.close()
    with catalogue.read() as connection:
        assert seen_count(connection) == 1
    database = Database(url)
    with pytest.raises(Misconfigured):
        LockedServer(url)
    database.close()
    LockedServer(url).close()


async def test_a_lock_that_is_lost_ends_the_repair(url, postgres):
    """Whoever has it no more does nothing more, though the server is there again."""
    locked = LockedServer(url)
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lodestone-repair'"
    )
    for _ in range(2):
        with pytest.raises(CatalogueUnreadable):
            await locked.run(seen_count)
    locked.close()


def test_an_error_of_a_statement_is_one_line(catalogue):
    """Not the statement, which may be long."""
    with pytest.raises(CatalogueUnreadable) as told, catalogue.read() as connection:
        connection.execute(text("SELECT 1 / 0"))
    assert "division by zero" in str(told.value)
    assert "\n" not in str(told.value)
    assert isinstance(told.value.__cause__, DBAPIError)
