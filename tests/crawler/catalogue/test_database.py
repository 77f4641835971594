from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event, func, insert, select, text

from services.crawler.catalogue import images, kept_images, purges, replacements
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.migrating import MIGRATIONS
from services.crawler.catalogue.schema import metadata, seen_images
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.post_rules import PostReason
from services.crawler.sources.source import BlockReason
from services.crawler.verifying import stray_files
from services.servicekit.errors import Misconfigured
from tests.crawler.subjects import random_fingerprint

# What PostgreSQL has in addition: SQLite numbers rows by itself.
_NUMBERS = (
    "rowid",
    *(
        f"ix_{table}_rowid"
        for table in ("candidates", "purged_images", "replaced_images", "seen_images")
    ),
)


@contextlib.contextmanager
def engine_of(place):
    """A connection of a stranger's."""
    engine = create_engine(f"sqlite:///{place}" if isinstance(place, Path) else place)
    yield engine
    engine.dispose()


def execute(place, *statements):
    with engine_of(place) as engine, engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def nothing(place, request):
    """Where a catalogue may be, and none is."""
    if isinstance(place, Path):
        yield place
        return
    with request.getfixturevalue("postgres").database("template0") as url:
        yield url


async def test_migrations_make_the_schema(database):
    """The tables that the migrations create are those of schema.py."""

    def compare(connection):
        ours = {"include_object": lambda _object, name, *_: name not in _NUMBERS}
        return compare_metadata(MigrationContext.configure(connection, opts=ours), metadata)

    assert await database.run(compare) == []


def test_an_empty_database_becomes_a_catalogue(nothing):
    """Made at the first start, taken as it is at the next."""
    for _ in range(2):
        Database(nothing).close()
    with engine_of(nothing) as engine, engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(seen_images)).scalar_one() == 0


def test_one_crawler_at_a_time(tmp_path):
    """A second process (here: a second handle) is refused a SQLite file, with the place named."""
    place = tmp_path / "catalog.sqlite"
    database = Database(place)
    with pytest.raises(Misconfigured, match="another crawler uses") as refused:
        Database(place, patience_s=0.0)
    assert str(tmp_path) in str(refused.value)
    assert (database.is_shared, database.was_alone) == (False, True)
    database.close()


async def test_failed_work_is_rolled_back(database):
    """An exception leaves nothing of its transaction."""

    def work(connection):
        images.mark_seen(connection, "p", "d", random_fingerprint(0))
        raise ValueError("after the insert")

    with pytest.raises(ValueError, match="after the insert"):
        await database.run(work)
    count = select(func.count()).select_from(seen_images)
    assert await database.run(lambda c: c.execute(count).scalar_one()) == 0


async def test_text_that_databases_refuse(database):
    """NUL is left out and lone surrogates are replaced, where they are written and where they are looked for."""

    def work(connection):
        images.mark_seen(connection, "p\0\ud800", "d", random_fingerprint(0))
        images.mark_seen(connection, "påß", "d", random_fingerprint(0))
        names = seen_images.c.profile_name
        found = select(names).where(names == "p\ud800")
        return connection.scalars(found).all(), connection.scalars(select(names)).all()

    found, names = await database.run(work)
    assert found == ["p?"]
    assert sorted(names) == ["p?", "påß"]


async def test_text_is_ordered_by_its_bytes(database):
    """Whatever the language of the database: SQLite does, and every column of PostgreSQL's is told to."""

    def work(connection):
        if connection.dialect.name == "sqlite":
            return []
        return connection.exec_driver_sql(
            "SELECT table_name, column_name, collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type IN ('text', 'character varying')"
            " AND table_name <> 'alembic_version' AND collation_name IS DISTINCT FROM 'C'"
        ).all()

    assert await database.run(work) == []


def test_words_fit_their_columns():
    """SQLite takes longer ones, PostgreSQL does not."""
    for kind, column in (
        (OutcomeState, "listings.outcome_state"),
        (OutcomeReason, "listings.outcome_reason"),
        (OutcomeReason, "crawl_counts.outcome_reason"),
        (PostReason, "crawl_post_counts.reason"),
        (BlockReason, "crawl_sources.block_reason"),
    ):
        table, name = column.split(".")
        limit = metadata.tables[table].c[name].type.length
        assert max(len(word.value) for word in kind) <= limit, column


def test_a_file_that_is_no_catalogue(tmp_path):
    """Garbage is one clear error that names the file."""
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(Misconfigured, match="catalog.sqlite cannot be used .*not a database"):
        Database(path)


def test_a_catalogue_of_a_newer_version(place):
    """A version that this code does not know is refused, not touched."""
    Database(place).close()
    execute(place, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="its version '9999' is newer"):
        Database(place)


@pytest.mark.parametrize("versioned", [True, False])
def test_another_applications_database(nothing, versioned):
    """Its tables are named, and nothing is added to them."""
    execute(nothing, "CREATE TABLE photos (id INTEGER)", "CREATE TABLE images (id INTEGER)")
    if versioned:
        execute(
            nothing,
            "CREATE TABLE alembic_version (version_num VARCHAR(32))",
            "INSERT INTO alembic_version VALUES ('0006')",
        )
    with pytest.raises(Misconfigured, match=r"another application's tables \(images, photos\)"):
        Database(nothing)
    with engine_of(nothing) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM images").keys() == ["id"]


async def test_commits_are_synced(tmp_path):
    """WAL with synchronous=FULL and foreign keys, as the invariants need."""
    database = Database(tmp_path / "catalog.sqlite")
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for name, expected in pragmas.items():
        query = text(f"PRAGMA {name}")
        assert await database.run(lambda c, q=query: c.execute(q).scalar_one()) == expected
    database.close()


async def test_a_full_disk_is_waited_for(tmp_path):
    """Work goes on when there is room, and is done once; until then the reason can be asked for."""
    database = Database(tmp_path / "catalog.sqlite")
    row = {"profile_name": "p", "hash64": "", "hash256": b"\0" * 100_000, "flat": False}

    def limit(connection):
        # As a disk would: this connection's file must not grow any more.
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await database.run(limit)
    work = asyncio.create_task(
        database.run(lambda c: c.execute(insert(seen_images), row | {"digest": "d"}))
    )
    while not database.waits_for:
        await asyncio.sleep(0.01)
    assert database.waits_for == "database or disk is full"
    assert not work.done()
    # Another connection has no such limit: the database makes one when it finds none.
    database._engine._engine.dispose()
    async with asyncio.timeout(20):
        await work
    count = select(func.count()).select_from(seen_images)
    assert await database.run(lambda c: c.execute(count).scalar_one()) == 1
    assert database.waits_for == ""
    database.close()


def make_older(place, revision, statements):
    """A catalogue of an earlier version, with rows."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine_of(place) as engine, engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for statement in statements:
            connection.exec_driver_sql(statement)


async def test_a_catalogue_of_the_first_version_is_migrated(tmp_path):
    """Its rows stay, whatever refers to them; an image has the listing and time that it was first accepted for."""
    path = tmp_path / "catalog.sqlite"
    make_older(path, "0001", _FIRST_ROWS)
    database = Database(path)
    try:
        [kept] = await database.run(lambda c: kept_images.list_kept(c, ""))
        names = text("SELECT sql FROM sqlite_master WHERE name = 'kept_images'")
        sql = await database.run(lambda c: c.execute(names).scalar_one())
    finally:
        database.close()
    assert (kept.listing.url, kept.final_url, kept.accept_time) == ("file:///1", "file:///x", 7.0)
    assert "UNIQUE (profile_name, file_name)" in sql


async def test_an_older_catalogue_gives_no_number_again(tmp_path):
    """Of the newest image, which is purged then, nor of what was replaced; what refers to images still does."""
    path = tmp_path / "catalog.sqlite"
    make_older(path, "0010", _REPLACED_ROWS)
    database = Database(path)

    def purge_and_accept(connection):
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        for table in ("kept_images", "images"):
            connection.execute(text(f"DELETE FROM {table} WHERE digest = 'd'"))
        new = "INSERT INTO images (digest, listing_id, final_url, accept_time) VALUES ('e', 1, '', 8.0)"
        connection.execute(text(new))
        return connection.execute(text("SELECT sequence FROM images")).scalars().all()

    try:
        assert await database.run(
            lambda c: [one.digest for one in kept_images.list_kept(c, "")]
        ) == ["d"]
        assert await database.run(purge_and_accept) == [10]
    finally:
        database.close()


async def test_files_that_are_to_be_removed_are_found_by_an_index(database):
    """However many images were replaced or purged."""
    removed = (
        (replacements.list_unremoved, "ix_replaced_images_unremoved"),
        (purges.list_pending, "ix_purged_images_pending"),
        (
            partial(stray_files._replaced_names, profile_name="p", names=["a"]),
            "ix_replaced_images_name",
        ),
    )

    def plans(connection, work):
        if connection.dialect.name == "postgresql":
            # There is too little in it.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        statements = []
        event.listen(
            connection, "before_cursor_execute", lambda *given: statements.append(given[2:4])
        )
        work(connection)
        [(statement, parameters)] = statements
        explain = "EXPLAIN " if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        return str(connection.exec_driver_sql(explain + statement, parameters).all())

    for work, index in removed:
        assert index in await database.run(partial(plans, work=work))


async def test_what_an_older_catalogue_has_to_do_belongs_to_its_sources(nothing):
    """So that these can go first; not what is settled, nor what no source of the crawl named."""
    make_older(nothing, "0008", _ROWS_TO_DO)
    database = Database(nothing)
    query = text("SELECT listing_id, position, priority FROM crawl_listings ORDER BY listing_id")
    rows = await database.run(lambda c: [tuple(row) for row in c.execute(query)])
    database.close()
    assert rows == [(1, None, 0), (2, 1, 0), (3, None, 0)]


async def test_what_an_older_catalogue_has_to_deliver_is_what_it_was(nothing):
    """What is kept again has its new place in it, and a replacement the better copy; the rest is as it was."""
    make_older(nothing, "0010", _ROWS_TO_DELIVER)
    database = Database(nothing)
    columns = "digest, event, again_sequence, replaced_by_digest"
    query = text(f"SELECT {columns} FROM outbox ORDER BY delivery_id")
    rows = await database.run(lambda c: [tuple(row) for row in c.execute(query)])
    database.close()
    assert rows == [
        ("a", "ACCEPTED", 7, ""),
        ("b", "ACCEPTED", 0, ""),
        ("b", "REPLACED", 0, "c"),
        ("c", "ACCEPTED", 0, ""),
    ]


_ROWS_TO_DELIVER = (
    "INSERT INTO sinks VALUES ('hook', 'webhook', true, false, '', '', NULL, 1.0)",
    (
        "INSERT INTO listings (listing_id, url, source, title, page_url, author, found_time, attempts,"
        " next_attempt_time) VALUES (1, 'file:///1', 'folder:/a', '', '', '', 1.0, 0, 0.0)"
    ),
    *(
        "INSERT INTO candidates (digest, size_bytes, width_px, height_px, format, animated, hash64, hash256,"
        f" mirrored64, mirrored256, flat) VALUES ('{digest}', 9, 2, 2, 'PNG', false, '0', '0', '0', '0', false)"
        for digest in "abc"
    ),
    "INSERT INTO images VALUES (7, 'a', 1, '', 1.0, NULL, true)",
    "INSERT INTO images VALUES (6, 'c', 1, '', 1.0, NULL, false)",
    (
        "INSERT INTO replaced_images (digest, sequence, accept_time, profile_name, file_name,"
        " replaced_by_digest, replace_time, files_removed) VALUES ('b', 3, 1.0, 'p', 'n', 'c', 2.0, true)"
    ),
    *(
        "INSERT INTO outbox (sink, event, digest, profile_name, file_name, state, tries, failed_count,"
        " next_attempt_time, message, create_time)"
        f" VALUES ('hook', '{event}', '{digest}', 'p', '', 'PENDING', 0, 0, 0.0, '', 1.0)"
        for digest, event in (
            *(("a", "ACCEPTED"), ("b", "ACCEPTED")),
            *(("b", "REPLACED"), ("c", "ACCEPTED")),
        )
    ),
)
_ROWS_TO_DO = (
    "INSERT INTO crawls VALUES ('c1', 'r1', 'p', 1, 'RUNNING', '', 0, 0, 1, 1, 1.0)",
    "INSERT INTO crawl_sources (crawl_id, position, uri) VALUES ('c1', 0, 'folder:/a')",
    "INSERT INTO crawl_sources (crawl_id, position, uri) VALUES ('c1', 1, 'folder:/b')",
    *(
        "INSERT INTO listings (listing_id, url, source, title, page_url, author, found_time, attempts,"
        f" next_attempt_time) VALUES ({number}, 'file:///{number}', 'folder:/{name}', '', '', '', 1.0, 0, 0.0)"
        for number, name in enumerate("abc", start=1)
    ),
    "INSERT INTO crawl_listings (crawl_id, listing_id, sequence, known, repeated) VALUES ('c1', 1, 1, false, false)",
    "INSERT INTO crawl_listings (crawl_id, listing_id, known, repeated) VALUES ('c1', 2, false, false)",
    "INSERT INTO crawl_listings (crawl_id, listing_id, known, repeated) VALUES ('c1', 3, false, false)",
)
_FIRST_ROWS = (
    "INSERT INTO crawls VALUES ('c1', 'r1', 'p', 1, 'COMPLETED', '', 0, 0, 1, 1, 1.0)",
    "INSERT INTO crawl_sources VALUES ('c1', 0, 'folder:/a')",
    (
        "INSERT INTO listings VALUES (1, 'file:///1', 'folder:/a', '', '', '', 1.0, NULL, NULL, 0, 0.0,"
        " 'FETCHED', NULL, '', 'file:///x', 'd', 9, 2.0)"
    ),
    "INSERT INTO crawl_listings VALUES ('c1', 1, 1, 0, 0)",
    (
        "INSERT INTO candidates (digest, size_bytes, width_px, height_px, format, animated, hash64, hash256,"
        " mirrored64, mirrored256, flat) VALUES ('d', 9, 2, 2, 'PNG', 0, '0', x'00', '0', x'00', 0)"
    ),
    "INSERT INTO images VALUES (1, 'd', 1, 'file:///x', 7.0)",
    "INSERT INTO kept_images VALUES ('d', 'p', 1, 'a.png', 1)",
)
_REPLACED_ROWS = (
    (
        "INSERT INTO listings (listing_id, url, source, title, page_url, author, found_time, attempts,"
        " next_attempt_time) VALUES (1, 'file:///1', 'folder:/a', '', '', '', 1.0, 0, 0.0)"
    ),
    *(
        "INSERT INTO candidates (digest, size_bytes, width_px, height_px, format, animated, hash64, hash256,"
        f" mirrored64, mirrored256, flat) VALUES ('{digest}', 9, 2, 2, 'PNG', 0, '0', x'00', '0', x'00', 0)"
        for digest in "cde"
    ),
    "INSERT INTO images (sequence, digest, listing_id, final_url, accept_time) VALUES (7, 'd', 1, '', 7.0)",
    "INSERT INTO kept_images (digest, profile_name, profile_version, file_name, linked) VALUES ('d', 'p', 1, 'a', 1)",
    "INSERT INTO replaced_images VALUES ('c', 9, 5.0, 'p', 'c.png', 'd', 6.0, 1)",
)
