from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import event

from services.crawler.catalogue import crawl_sources, crawls, frontier, priorities, settling
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.source_settings import SourceSettings
from services.servicekit.errors import FailedPrecondition, InvalidInput, NotFound

LOW, HIGH, REST = "urls:/low.txt", "urls:/high.txt", "urls:/rest.txt"
URIS = (LOW, HIGH, REST)


def make_crawl(connection, crawl_id="c1", uris=URIS, **chosen):
    """A crawl in which each source has listed two images, one after the other."""
    settings = {uri: SourceSettings(priority=priority) for uri, priority in chosen.items()}
    request = CrawlRequest(f"r-{crawl_id}", uris, ProfileVersion("p", 1), settings=settings)
    crawls.create_crawl(connection, crawl_id, request, now=1.0)
    for number in (1, 2):
        for position in range(len(uris)):
            add(connection, position, number, crawl_id=crawl_id)


def add(connection, position, *numbers, crawl_id="c1", name=None):
    """Lists images of a source; by the name of another one, those that it has."""
    name = name or URIS[position].removeprefix("urls:/").removesuffix(".txt")
    found = [Listing(URIS[position], f"http://h/{name}{number}") for number in numbers]
    frontier.add_listings(connection, crawl_id, found, now=1.0, position=position)


def lease(connection, limit=99, crawl_id="c1", owner="me", **options):
    terms = LeaseTerms(owner, 100.0, 60.0)
    leased = frontier.lease(connection, crawl_id, terms, limit=limit, **options)
    return [one.listing.url.removeprefix("http://h/") for one in leased]


def change(connection, priority, *uris, crawl_id="c1"):
    priorities.set_priority(connection, crawl_id, uris, priority)


async def changed(database, priority, *uris, crawl_id="c1"):
    await database.run(lambda c: change(c, priority, *uris, crawl_id=crawl_id))
    await priorities.move_all(database, crawl_id)


async def test_listings_of_a_higher_priority_are_leased_first(database):
    """Those of one priority oldest first, whichever of its sources they are of."""

    def work(connection):
        make_crawl(connection, **{LOW: -1, HIGH: 100})
        crawl_sources.add_sources(connection, "c1", ["urls:/new.txt"], {})
        return lease(connection, 3), lease(connection)

    assert await database.run(work) == (["high1", "high2", "rest1"], ["rest2", "low1", "low2"])


async def test_hosts_that_have_enough_are_passed_over(database):
    """A high priority holds up nothing where its hosts are to be left alone."""

    def work(connection):
        make_crawl(connection, uris=(LOW, HIGH), **{HIGH: 9})
        found = [Listing(HIGH, "http://other/1")]
        frontier.add_listings(connection, "c1", found, now=1.0, position=1)
        return lease(connection, but_hosts=["other"], limit=3), lease(connection, but_hosts=["h"])

    assert await database.run(work) == (["high1", "high2", "low1"], ["http://other/1"])


async def test_a_change_holds_for_what_is_to_do(database):
    """Of one source, up and down, again and again; the others keep theirs."""
    await database.run(make_crawl)
    await changed(database, 50, HIGH)
    assert await database.run(lambda c: lease(c, 1)) == ["high1"]
    await changed(database, -50, HIGH)
    await changed(database, -50, HIGH)
    assert await database.run(lambda c: lease(c, 4)) == ["low1", "rest1", "low2", "rest2"]
    await database.run(lambda c: frontier.release_owner(c, "me"))
    await changed(database, 1, REST)
    assert await database.run(lambda c: lease(c, 3)) == ["rest1", "rest2", "low1"]
    states = await database.run(lambda c: crawl_sources.list_sources(c, "c1"))
    assert [one.settings.priority for one in states] == [0, -50, 1]


async def test_a_change_of_all_sources(database):
    """Nothing overtakes anything within the crawl; another crawl stays as it is."""

    def make(connection):
        make_crawl(connection, **{HIGH: 5})
        make_crawl(connection, "c2", **{LOW: 7})

    await database.run(make)
    await changed(database, -100)

    def work(connection):
        terms = LeaseTerms("me", 100.0, 60.0)
        leased = frontier.lease(connection, "c1", terms, limit=4)
        frontier.release_owner(connection, "me")
        return [one.priority for one in leased], lease(connection, 2, crawl_id="c2")

    assert await database.run(work) == ([-100] * 4, ["low1", "low2"])


async def test_what_is_leased_has_the_new_priority_when_it_is_given_back(database):
    """Whoever holds it goes on with it; settled listings are left alone."""

    def make(connection):
        make_crawl(connection, uris=(LOW, HIGH))
        terms = LeaseTerms("me", 100.0, 60.0)
        first, _ = frontier.lease(connection, "c1", terms, limit=2)
        outcome = Outcome(OutcomeState.FAILED, OutcomeReason.NOT_FOUND, "gone", "", "", 0, 5.0)
        settling.settle(connection, [Ending("c1", first, Settlement(outcome, None, known=False))])

    await database.run(make)
    await changed(database, 3, HIGH)
    await changed(database, 2, LOW)

    def work(connection):
        frontier.release_owner(connection, "me")
        return lease(connection), rows(connection)

    assert await database.run(work) == (
        ["high1", "high2", "low2"],
        {"low1": 0, "low2": 2, "high1": 3, "high2": 3},
    )


def rows(connection):
    query = """SELECT url, priority FROM crawl_listings
        JOIN listings ON listings.listing_id = crawl_listings.listing_id WHERE crawl_id = 'c1'"""
    return {url.removeprefix("http://h/"): one for url, one in connection.exec_driver_sql(query)}


async def test_what_is_listed_later_has_the_new_priority(database):
    """A listing that two sources name goes with the one that named it first."""
    await database.run(make_crawl)
    await changed(database, 9, HIGH)

    def work(connection):
        add(connection, 1, 1, 3, name="low")
        return lease(connection, 4)

    assert await database.run(work) == ["high1", "high2", "low3", "low1"]


async def test_a_listing_has_a_priority_in_each_crawl(database):
    """One crawl's is nothing to the other."""

    def make(connection):
        make_crawl(connection)
        make_crawl(connection, "c2", **{REST: 1})

    await database.run(make)
    await changed(database, 1, HIGH)

    def work(connection):
        first = lease(connection, 1)
        frontier.release_owner(connection, "me")
        return first, lease(connection, 1, crawl_id="c2")

    assert await database.run(work) == (["high1"], ["rest1"])


async def test_a_change_goes_on_in_small_parts(database, monkeypatch):
    """Between them others have their turn; one that broke off is finished by whoever works on the crawl next."""
    await database.run(make_crawl)
    await database.run(lambda c: add(c, 1, *range(3, 10)))
    await database.run(lambda c: change(c, 5, HIGH))
    moved = await database.run(lambda c: priorities.move_listings(c, "c1", 1, limit=4))
    found = await database.run(rows)
    assert (moved, sum(one == 5 for one in found.values())) == (4, 4)
    monkeypatch.setattr(priorities, "_MOVED_AT_ONCE", 2)
    parts = []
    move = priorities.move_listings
    monkeypatch.setattr(
        priorities, "move_listings", lambda *a, **k: parts.append(move(*a, **k)) or parts[-1]
    )
    await priorities.move_all(database, "c1")
    assert parts == [2, 2, 1]
    await priorities.move_all(database, "c1")
    assert parts == [2, 2, 1]
    found = await database.run(rows)
    assert {name for name, one in found.items() if one} == {f"high{n}" for n in range(1, 10)}


async def test_a_change_does_not_wait_for_what_is_ending(postgres):
    """Nor does it stop there: what was held moves with the next look."""
    with postgres.database() as url:
        database = Database(url)
        await database.run(make_crawl)
        with psycopg.connect(postgres.address(url.database)) as other:
            other.execute("SELECT 1 FROM crawl_listings WHERE position = 1 LIMIT 1 FOR UPDATE")
            await changed(database, 5, HIGH)
            assert sum(one == 5 for one in (await database.run(rows)).values()) == 1
        await priorities.move_all(database, "c1")
        assert sum(one == 5 for one in (await database.run(rows)).values()) == 2
        database.close()


async def test_another_crawler_changes_what_this_one_leases_next(postgres):
    """On one catalogue: what it holds stays its own, then comes what the other put first."""
    with postgres.database() as url:
        one, other = Database(url), Database(url)
        await one.run(make_crawl)
        assert await one.run(lambda c: lease(c, 2)) == ["low1", "high1"]
        await changed(other, 10, REST)
        await changed(other, 20, HIGH)
        assert await one.run(lambda c: lease(c, 2)) == ["high2", "rest1"]
        assert await other.run(lambda c: lease(c, owner="other")) == ["rest2", "low2"]
        one.close()
        other.close()


@pytest.mark.parametrize("priority", [-101, 101, 2**31 - 1])
async def test_a_priority_has_a_range(database, priority):
    """-100 to 100, both of them inclusive."""
    await database.run(make_crawl)
    with pytest.raises(InvalidInput, match="give -100 to 100"):
        await database.run(lambda c: change(c, priority))
    await database.run(lambda c: change(c, 100, LOW))
    await database.run(lambda c: change(c, -100, LOW))


async def test_a_source_that_the_crawl_does_not_have(database):
    """It is named, and nothing is changed."""
    await database.run(make_crawl)
    with pytest.raises(NotFound, match="no source of crawl c1 'urls:/other.txt'"):
        await database.run(lambda c: change(c, 7, LOW, "urls:/other.txt"))
    assert set((await database.run(rows)).values()) == {0}
    with pytest.raises(FailedPrecondition, match="has no sources"):
        await database.run(lambda c: change(c, 7, crawl_id="c2"))


async def test_how_much_goes_before_a_source(database):
    """What is to do of its own priority and of higher ones."""

    def work(connection):
        make_crawl(connection, **{LOW: -1, HIGH: 1})
        lease(connection, 1)
        return [priorities.count_ahead(connection, "c1", position) for position in range(3)]

    assert await database.run(work) == [6, 2, 4]


async def test_sources_that_are_named_again_take_the_new_priority(database):
    """With their other settings."""
    await database.run(make_crawl)
    settings = {HIGH: SourceSettings(priority=4)}
    await database.run(lambda c: crawl_sources.add_sources(c, "c1", [HIGH], settings))
    await priorities.move_all(database, "c1")
    assert await database.run(lambda c: lease(c, 2)) == ["high1", "high2"]


async def test_what_is_to_do_is_found_in_its_order(tmp_path):
    """By the index, without sorting all of it."""
    database = Database(tmp_path / "catalog.sqlite")
    plan = []

    def explain(_connection, cursor, statement, values, *_):
        if statement.startswith("SELECT"):
            plan.extend(cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    def work(connection):
        make_crawl(connection)
        event.listen(connection, "before_cursor_execute", explain)
        lease(connection)

    await database.run(work)
    database.close()
    steps = " ".join(step[-1] for step in plan)
    assert "ix_crawl_listings_pending" in steps
    assert "TEMP B-TREE" not in steps
