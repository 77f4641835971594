from __future__ import annotations

import pytest

from services.crawler.catalogue import crawl_sources, crawls
from services.crawler.catalogue.crawl_sources import (
    CrawlSource,
    LeaseLost,
    Progress,
    SourceState,
    Standing,
)
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.post_rules import PostReason, PostRules
from services.crawler.source_settings import SourceSettings
from services.crawler.sources.source import BlockReason

URIS = ("folder:/photos", "page:https://h/")
ME = LeaseTerms("me", now=100.0, duration_s=60.0)
OTHER = LeaseTerms("other", now=100.0, duration_s=60.0)


def make_crawl(connection, crawl_id="c1", **settings):
    request = CrawlRequest(f"r-{crawl_id}", URIS, ProfileVersion("p", 1), settings=settings)
    crawls.create_crawl(connection, crawl_id, request, now=1.0)


def at(terms, now):
    return LeaseTerms(terms.owner, now, terms.duration_s)


def sources_of(connection):
    return crawl_sources.list_sources(connection, "c1")


def listings(*names):
    return [Listing(URIS[0], f"http://h/{name}") for name in names]


def record(connection, terms, **progress):
    """Records progress of the first source; listings are given by names."""
    facts = {"listings": listings(*progress.pop("names", ()))} | progress
    return crawl_sources.record_progress(
        connection, "c1", CrawlSource(0, URIS[0]), terms, Progress(**facts)
    )


def urls(connection):
    rows = connection.exec_driver_sql("SELECT url FROM listings ORDER BY listing_id")
    return [row.url.rpartition("/")[2] for row in rows]


async def test_sources_of_a_crawl(database):
    """In their order, with their settings, waiting, from the beginning."""
    mine = SourceSettings(follow=True, poll_s=7.0, rules=PostRules(deny_titles=("x",)))

    def work(connection):
        make_crawl(connection, **{URIS[1]: mine})
        make_crawl(connection, "c2")
        return sources_of(connection)

    assert await database.run(work) == [CrawlSource(0, URIS[0]), CrawlSource(1, URIS[1], mine)]


async def test_sources_are_added_behind_the_others(database):
    """One that the crawl has takes the new settings; twice the same counts once."""
    new = SourceSettings(follow=True)

    def work(connection):
        make_crawl(connection)
        added = ["urls:/a.txt", URIS[0], "urls:/a.txt", "urls:/b.txt"]
        crawl_sources.add_sources(connection, "c1", added, {URIS[0]: new, "urls:/b.txt": new})
        crawl_sources.add_sources(connection, "c1", [], {})
        return [(one.position, one.uri, one.settings.follow) for one in sources_of(connection)]

    assert await database.run(work) == [
        (0, URIS[0], True),
        (1, URIS[1], False),
        (2, "urls:/a.txt", False),
        (3, "urls:/b.txt", True),
    ]


async def test_a_source_that_is_done_goes_on_when_it_is_to_be_followed(database):
    """Its cursor stays; one that is not to be followed stays done."""

    def work(connection):
        make_crawl(connection)
        for position in (0, 1):
            crawl_sources.acquire(connection, "c1", position, LeaseTerms("me", 2.0, 9.0))
            done = Standing(SourceState.DONE)
            crawl_sources.set_standing(connection, "c1", position, "me", done)
        settings = {URIS[0]: SourceSettings(follow=True), URIS[1]: SourceSettings()}
        crawl_sources.add_sources(connection, "c1", URIS, settings)
        return [one.state for one in sources_of(connection)]

    assert await database.run(work) == [SourceState.WAITING, SourceState.DONE]


async def test_a_source_has_one_owner_until_its_lease_expires(database):
    """It keeps the lease for as long as it renews it; then whoever comes first has it."""

    def work(connection):
        make_crawl(connection)
        taken = [
            crawl_sources.acquire(connection, "c1", 0, terms)
            for terms in (
                ME,
                OTHER,
                at(ME, 150.0),
                at(OTHER, 161.0),
                at(OTHER, 210.0),
                at(OTHER, 210.5),
            )
        ]
        return taken, crawl_sources.acquire(connection, "c1", 1, OTHER)

    assert await database.run(work) == ([True, False, True, False, False, True], True)


async def test_a_lease_is_renewed_and_given_back(database):
    """Renewing moves every lease of one owner; giving back is for one owner, or for a crawler that has just begun."""

    def work(connection):
        make_crawl(connection)
        crawl_sources.acquire(connection, "c1", 0, ME)
        crawl_sources.acquire(connection, "c1", 1, OTHER)
        crawl_sources.renew(connection, at(ME, 150.0))
        held = [
            crawl_sources.acquire(connection, "c1", n, LeaseTerms("third", 170.0, 60.0))
            for n in (0, 1)
        ]
        crawl_sources.release_owner(connection, "me")
        free = crawl_sources.acquire(connection, "c1", 0, at(OTHER, 171.0))
        crawl_sources.release_all(connection)
        return (
            held,
            free,
            [crawl_sources.acquire(connection, "c1", n, at(ME, 172.0)) for n in (0, 1)],
        )

    assert await database.run(work) == ([False, True], True, [True, True])


async def test_whoever_wakes_up_without_the_lease_records_nothing(database):
    """Neither listings nor cursor, counts nor state: the transaction is gone as a whole."""

    def make(connection):
        make_crawl(connection)
        crawl_sources.acquire(connection, "c1", 0, ME)
        record(connection, ME, names=("a",), cursor="1", post_counts={None: 1})
        assert crawl_sources.acquire(connection, "c1", 0, at(OTHER, 200.0))

    await database.run(make)
    before = await database.run(sources_of)
    for work in (
        lambda c: record(c, ME, names=("b",), cursor="2", gap="x", post_counts={None: 1}),
        lambda c: crawl_sources.set_standing(c, "c1", 0, "me", Standing(SourceState.DONE)),
        lambda c: crawl_sources.begin_look(c, "c1", 0, "me"),
    ):
        with pytest.raises(LeaseLost) as lost:
            await database.run(work)
        assert (lost.value.crawl_id, lost.value.position) == ("c1", 0)
    assert await database.run(sources_of) == before
    assert await database.run(urls) == ["a"]
    assert (await database.run(lambda c: crawls.get_crawl(c, "c1"))).found_count == 1


async def test_a_look_from_the_beginning_that_lost_its_lease_keeps_the_counts(database):
    """They are begun anew only together with the state."""

    def make(connection):
        make_crawl(connection)
        crawl_sources.acquire(connection, "c1", 0, ME)
        record(connection, ME, names=("a",), post_counts={None: 1})

    await database.run(make)
    with pytest.raises(LeaseLost):
        await database.run(lambda c: crawl_sources.begin_look(c, "c1", 0, "other"))
    [source, _] = await database.run(sources_of)
    assert (source.listed_count, source.post_counts) == (1, {None: 1})


async def test_listings_and_cursor_move_together(database):
    """A failure between the two leaves neither."""

    def make(connection):
        make_crawl(connection)
        crawl_sources.acquire(connection, "c1", 0, ME)

    await database.run(make)
    with pytest.raises(AssertionError, match="bound"):
        await database.run(lambda c: record(c, ME, names=("a",), cursor="x" * 65_537))
    assert await database.run(urls) == []
    assert await database.run(lambda c: record(c, ME, names=("a",), cursor="x" * 65_536)) == 1
    assert len((await database.run(sources_of))[0].cursor) == 65_536


async def test_progress_adds_up(database):
    """Listings, skipped entries, gaps and posts by reason; an empty cursor leaves the earlier one."""

    def work(connection):
        make_crawl(connection)
        crawl_sources.acquire(connection, "c1", 0, ME)
        first = {None: 2, PostReason.TITLE: 1}
        second = {None: 1, PostReason.TITLE: 2, PostReason.NO_IMAGES: 1}
        added = [
            record(
                connection, ME, names=("a", "b"), cursor="1", skipped_count=2, post_counts=first
            ),
            record(
                connection, ME, names=("b", "c"), gap="one", skipped_count=1, post_counts=second
            ),
            record(connection, ME, gap="two"),
        ]
        return added, sources_of(connection)[0], crawls.get_crawl(connection, "c1")

    added, source, crawl = await database.run(work)
    assert added == [2, 1, 0]
    assert (source.listed_count, source.skipped_count, source.cursor) == (4, 3, "1")
    assert (source.gap_count, source.last_gap) == (2, "two")
    assert source.post_counts == {None: 3, PostReason.TITLE: 3, PostReason.NO_IMAGES: 1}
    assert (crawl.found_count, crawl.repeated_count, crawl.skipped_count) == (3, 1, 3)


async def test_a_look_that_overlaps_counts_only_what_is_new(database):
    """What the last look listed is not listed again."""

    def work(connection):
        make_crawl(connection)
        crawl_sources.acquire(connection, "c1", 0, ME)
        record(connection, ME, names=("a", "b"), cursor="1")
        record(connection, ME, names=("a", "b", "c"), relists=False)
        return sources_of(connection)[0].listed_count, crawls.get_crawl(
            connection, "c1"
        ).repeated_count

    assert await database.run(work) == (3, 0)


async def test_a_look_from_the_beginning_counts_anew(database):
    """A source that was cut off before it had a cursor; with one, the counts go on."""

    def work(connection):
        make_crawl(connection)
        for position in (0, 1):
            crawl_sources.acquire(connection, "c1", position, ME)
        counts = {None: 2, PostReason.TITLE: 1}
        record(connection, ME, names=("a", "b"), skipped_count=1, post_counts=counts, gap="g")
        begun = crawl_sources.begin_look(connection, "c1", 0, "me")
        fresh = sources_of(connection)[0]
        record(connection, ME, names=("a", "b"), cursor="1", skipped_count=1, post_counts=counts)
        crawl_sources.begin_look(connection, "c1", 0, "me")
        return begun, fresh, sources_of(connection)

    begun, fresh, (source, other) = await database.run(work)
    assert begun.cursor == ""
    assert (fresh.state, fresh.listed_count, fresh.skipped_count) == (SourceState.LISTING, 0, 0)
    assert (fresh.post_counts, fresh.gap_count) == ({}, 1)
    assert (source.listed_count, source.skipped_count) == (2, 1)
    assert source.post_counts == {None: 2, PostReason.TITLE: 1}
    assert other == CrawlSource(1, URIS[1])


async def test_what_a_lister_does(database):
    """Each state with its reason; one without leaves nothing of the last, but for when it was listed to the end."""

    def work(connection):
        make_crawl(connection)
        crawl_sources.acquire(connection, "c1", 0, ME)
        states = []
        for standing in (
            Standing(SourceState.BLOCKED, "no key", BlockReason.CREDENTIALS_MISSING, 160.0),
            Standing(SourceState.WAITING, next_poll_time=200.0, list_time=150.0),
            Standing(SourceState.FAILED, "it broke"),
        ):
            crawl_sources.set_standing(connection, "c1", 0, "me", standing)
            states.append(sources_of(connection)[0])
        return states

    blocked, waiting, failed = await database.run(work)
    assert (blocked.state, blocked.state_reason) == (SourceState.BLOCKED, "no key")
    assert (blocked.block_reason, blocked.next_poll_time) == (
        BlockReason.CREDENTIALS_MISSING,
        160.0,
    )
    assert (waiting.state_reason, waiting.block_reason, waiting.next_poll_time) == ("", None, 200.0)
    assert (failed.state, failed.state_reason, failed.next_poll_time) == (
        SourceState.FAILED,
        "it broke",
        None,
    )
    assert (blocked.list_time, waiting.list_time, failed.list_time) == (None, 150.0, 150.0)
