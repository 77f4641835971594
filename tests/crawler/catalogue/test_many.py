from __future__ import annotations

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    event,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from services.crawler.catalogue.many import Lookup, Many, types_of
from services.crawler.catalogue.text_columns import String, Text

METADATA = MetaData()
THINGS = Table(
    "things",
    METADATA,
    Column("name", String(8), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("weight", Float),
    Column("content", LargeBinary),
    Column("note", Text),
    Column("good", Boolean, nullable=False, default=False),
)
BOXES = Table("boxes", METADATA, Column("box", String(8), primary_key=True))
PACKED = Table(
    "packed",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("box", String(8), nullable=False),
    Column("name", String(8), nullable=False),
)
WHOLE = ("name", "place", "weight", "content", "note", "good")

ADD = Many(
    types_of(THINGS, WHOLE),
    lambda given: given.into(THINGS).on_conflict_do_nothing().returning(THINGS.c.name),
)
MOVE = Many(
    {"of_name": String(), "to_place": Integer()},
    lambda given: (
        update(THINGS)
        .where(THINGS.c.name == given["of_name"], THINGS.c.good == bindparam("of_good"))
        .values(place=given["to_place"])
    ),
)
PACK = Many(
    {"of_name": String()},
    lambda given: given.insert(PACKED).from_select(
        ["box", "name"],
        select(BOXES.c.box, given["of_name"])
        .select_from(given.with_each_of(BOXES))
        .order_by(*given.order),
    ),
)
FIND = Lookup(lambda among: select(THINGS.c.name).where(among(THINGS.c.place, "places")))


def thing(number, **changes):
    row = {
        "name": f"thing {number}",
        "place": number,
        "weight": None,
        "content": None,
        "note": None,
        "good": False,
    }
    return row | changes


@pytest.fixture
async def things(database):
    await database.run(METADATA.create_all)
    return database


async def add(database, given):
    """Adds them; returns the names of those that are new."""
    return await database.run(lambda c: set(ADD.run(c, given).scalars()))


async def rows(database, table=THINGS):
    return await database.run(lambda c: [tuple(row) for row in c.execute(select(table))])


async def test_rows_come_back_as_they_were_given(things):
    """Of every type, with what text and arrays escape, nothing at all, and whole numbers among others."""
    given = [
        thing(1, weight=1, content=b"\0\xff{}", note='{"a\\b", NULL}', good=True),
        thing(2, weight=0.5, content=b"", note=""),
        thing(3, weight=float("-inf"), note="NULL"),
        thing(4, note="žluťoučký ☃"),
    ]
    assert await add(things, given) == {"thing 1", "thing 2", "thing 3", "thing 4"}
    assert await rows(things) == [tuple(row[name] for name in WHOLE) for row in given]


async def test_a_column_may_have_nothing_at_all(things):
    """An array without any value has no type of its own."""
    await add(things, [thing(1), thing(2)])
    assert [row[2:5] for row in await rows(things)] == [(None, None, None)] * 2


async def test_text_is_cleaned_as_anywhere_else(things):
    """NUL and lone surrogates."""
    await add(things, [thing(1, note="a\0b\ud800")])
    assert [row[4] for row in await rows(things)] == ["ab?"]


async def test_what_is_there_is_told_from_what_is_new(things):
    """Within one call as well."""
    await add(things, [thing(1)])
    given = [thing(number, note="again") for number in (1, 2, 2, 3)]
    assert await add(things, given) == {"thing 2", "thing 3"}
    assert [row[4] for row in await rows(things)] == [None, "again", "again"]


async def test_rows_are_changed_by_what_each_says_and_what_is_alike_for_all(things):
    """What else a row has is no matter."""
    await add(things, [thing(n, good=n != 2) for n in range(1, 4)])
    moves = [{"of_name": f"thing {n}", "to_place": 10 * n, "note": "?"} for n in range(1, 4)]
    await things.run(lambda c: MOVE.run(c, moves, of_good=True))
    found = {row[0]: (row[1], row[4]) for row in await rows(things)}
    assert found == {"thing 1": (10, None), "thing 2": (2, None), "thing 3": (30, None)}


async def test_rows_keep_their_order_beside_those_of_a_table(things):
    """Numbers are given in the order of the rows, for each of several others."""

    def work(connection):
        connection.execute(BOXES.insert(), [{"box": box} for box in ("a", "b", "c")])
        PACK.run(connection, [{"of_name": f"thing {n}"} for n in (5, 3, 9, 1)])

    await things.run(work)
    packed = await rows(things, PACKED)
    assert len(packed) == 12
    for box in ("a", "b", "c"):
        names = [name for _, of, name in sorted(packed) if of == box]
        assert names == ["thing 5", "thing 3", "thing 9", "thing 1"]


async def test_whatever_is_listed_is_looked_up(things):
    """Of nothing, nothing."""
    await add(things, [thing(number) for number in range(1, 6)])
    for places in ([2, 4, 77], [], [5]):
        found = await things.run(lambda c, p=places: sorted(FIND.run(c, places=p).scalars()))
        assert found == [f"thing {place}" for place in places if place < 6]


async def test_what_is_too_long_is_refused(things):
    """It is not cut off; SQLite does not count."""
    long = [thing(1, name="a longer name")]
    if things.is_shared:
        with pytest.raises(DBAPIError, match="too long"):
            await add(things, long)
        assert await rows(things) == []
    else:
        await add(things, long)
        assert [row[0] for row in await rows(things)] == ["a longer name"]


async def test_many_rows_go_in_one_statement_to_a_server(things):
    """A thousand of them."""
    statements = []

    def work(connection):
        event.listen(
            connection,
            "before_cursor_execute",
            lambda *given: statements.append(given[2].split()[0]),
        )
        given = [thing(number, name=f"t{number}") for number in range(1_000)]
        assert len(ADD.run(connection, given).all()) == 1_000

    await things.run(work)
    assert len(await rows(things)) == 1_000
    if things.is_shared:
        # And how many transactions this process has written.
        assert statements == ["INSERT", "UPDATE"]
