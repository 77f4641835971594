from __future__ import annotations

import asyncio
import json
import time

import pytest
from structlog.testing import capture_logs

from services.crawler.catalogue import crawl_sources, crawls, priorities
from services.crawler.catalogue.crawl_sources import LeaseLost, SourceState
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.crawl import lister
from services.crawler.crawl.lister import EnoughListings, Lister, ListerParts, Room
from services.crawler.crawl.listing_turns import ListingTurns
from services.crawler.fetch.url import parse_url
from services.crawler.judgement import ProfileVersion
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.post import Post, PostFlags
from services.crawler.post_rules import PostReason, PostRules
from services.crawler.resolvers.resolution import (
    NOTHING,
    Answer,
    Ask,
    AskKind,
    Images,
    ImageUrl,
    Unanswered,
)
from services.crawler.source_settings import SourceSettings
from services.crawler.sources.source import Batch, BlockReason, SourceBlocked, SourceFailed

ME = "me"


class FakeSource:
    """Each look lists the next of `looks`: batches, and failures among them; the last look repeats."""

    def __init__(self, *looks, uri="test:source", poll_s=5.0):
        self.uri = uri
        self.poll_s = poll_s
        self._looks = looks
        self.cursors = []

    async def list_posts(self, cursor):
        look = self._looks[min(len(self.cursors), len(self._looks) - 1)]
        self.cursors.append(cursor)
        for step in look:
            if isinstance(step, Exception):
                raise step
            yield step


class Clock:
    """Sleeps that end at once, and what was asked for; after `limit` of them a test has seen enough."""

    def __init__(self, monkeypatch, limit=10):
        self.slept = []
        self._limit = limit
        monkeypatch.setattr(lister.asyncio, "sleep", self.sleep)

    async def sleep(self, seconds):
        self.slept.append(round(seconds, 3))
        if len(self.slept) >= self._limit:
            raise EnoughSlept


class EnoughSlept(Exception):
    """The test has seen enough."""


class World:
    """A real catalogue with a crawl of some sources."""

    def __init__(self, place):
        self.database = Database(place)
        self.changes = 0
        self.limit = None
        self.answers = {}
        self.turns = ListingTurns()
        self.waits = 0
        self.looks = []

    async def create(self, *sources, **settings):
        uris = tuple(source.uri for source in sources)
        request = CrawlRequest(
            "r",
            uris,
            ProfileVersion("p", 1),
            settings={uri: SourceSettings(**settings) for uri in uris},
        )
        await self.database.run(lambda c: crawls.create_crawl(c, "c1", request, now=1.0))

    async def lister(self, source, owner=ME, position=0, room=None):
        place = (await self.places())[position]
        self.turns.prioritise({position: place.settings.priority})
        parts = ListerParts(
            self.database,
            "c1",
            owner,
            60.0,
            self.answer,
            room or self.room,
            self.changed,
            0.01,
            self.turns,
        )
        return Lister(source, place, parts)

    async def run(self, source, **settings):
        await self.create(source, **settings)
        return await (await self.lister(source)).run()

    async def answer(self, question):
        answer = self.answers[question.url.text]
        if isinstance(answer, Exception):
            raise answer
        return Answer(question.url, answer)

    async def room(self, position):
        """As the catalogue has it; the frontier is full for as often as `waits` says."""
        source = (await self.places())[position]
        self.looks.append((source.uri, source.settings.priority))
        is_full = self.waits > 0
        self.waits -= is_full
        if self.limit is None:
            return Room(is_full, None, source.settings.priority)
        left = max(0, self.limit - (await self.crawl()).found_count)
        return Room(is_full, left, source.settings.priority)

    def changed(self):
        self.changes += 1

    async def crawl(self):
        return await self.database.run(lambda c: crawls.get_crawl(c, "c1"))

    async def places(self):
        return await self.database.run(lambda c: crawl_sources.list_sources(c, "c1"))

    async def place(self):
        return (await self.places())[0]

    async def rows(self):
        query = "SELECT * FROM listings ORDER BY listing_id"
        return await self.database.run(lambda c: list(c.exec_driver_sql(query).mappings()))

    async def urls(self):
        return [row["url"].rpartition("/")[2] for row in await self.rows()]


@pytest.fixture
def world(place):
    world = World(place)
    yield world
    world.database.close()


def image(name):
    return Post(url=f"http://site.example/{name}", post_id=str(name))


def batch(*names, **facts):
    return Batch(tuple(image(name) for name in names), **facts)


def ask(name, *, fallback=NOTHING):
    """A post whose page is asked for: its text names the images."""

    def read(answer):
        return Images(
            tuple(ImageUrl(parse_url(f"http://i.example/{one}")) for one in answer.text.split())
        )

    url = parse_url(f"http://page.example/{name}")
    return Post(post_id=name, page_url=url.text, images=Ask(url, AskKind.PAGE, read, fallback))


async def test_once_to_the_end(world) -> None:
    """Listings, counts and the cursor are there; the source is done, and a second run does nothing."""
    source = FakeSource([batch("a", "b", cursor="1"), batch("c", cursor="2", skipped_count=3)])
    assert await world.run(source) == ""
    place = await world.place()
    assert (place.state, place.cursor, place.state_reason) == (SourceState.DONE, "2", "")
    assert (place.listed_count, place.skipped_count, place.post_counts) == (3, 3, {None: 3})
    assert place.list_time == pytest.approx(time.time(), abs=60)
    assert await world.urls() == ["a", "b", "c"]
    assert world.changes >= 2
    assert await (await world.lister(source)).run() == ""
    assert source.cursors == [""]


async def test_what_a_post_says_comes_with_its_listings(world) -> None:
    """Each image of it is a listing, under its own title if it has one."""
    images = Images(
        (
            ImageUrl(parse_url("http://i.example/1")),
            ImageUrl(parse_url("http://i.example/2"), "own"),
        )
    )
    post = Post(
        url="http://page.example/p",
        images=images,
        time=5.0,
        title="title",
        author="author",
        licence="CC0",
        community="reddit:r/A",
        parents=("reddit:r/B", "reddit:r/C"),
        facts={"score": 3},
    )
    await world.run(
        FakeSource([Batch((post, Post(url="http://i.example/3", page_url="http://p/")))])
    )
    first, second, third = await world.rows()
    assert (first["title"], second["title"]) == ("title", "own")
    assert (first["page_url"], third["page_url"]) == ("http://page.example/p", "http://p/")
    said = ("author", "licence", "community", "parents", "post_time", "post_facts", "source")
    assert [first[name] for name in said] == [
        *(
            "author",
            "CC0",
            "reddit:r/A",
            "reddit:r/B reddit:r/C",
            5.0,
            '{"score": 3}',
            "test:source",
        )
    ]


async def test_gates_and_posts_without_images_are_counted(world) -> None:
    """Every post has one count: turned away, without images, or listed."""
    posts = (
        image("a"),
        Post(url="http://x/b", flags=PostFlags(over_18=True)),
        Post(url="http://x/c", title="An AI picture"),
        Post(post_id="text", images=NOTHING),
        Post(post_id="empty"),
    )
    await world.run(FakeSource([Batch(posts)]), rules=PostRules(deny_titles=("ai",)))
    counts = {None: 1, PostReason.OVER_18: 1, PostReason.TITLE: 1, PostReason.NO_IMAGES: 2}
    assert (await world.place()).post_counts == counts
    assert await world.urls() == ["a"]


async def test_posts_that_are_asked_for(world) -> None:
    """Their images in the posts' order; what cannot be had leaves its fallback; what is away is told and counted."""
    world.answers = {
        "http://page.example/a": "1 2",
        "http://page.example/b": Unanswered(parse_url("http://page.example/b"), "no"),
        "http://page.example/c": FetchFailed(OutcomeReason.TIMEOUT, "it is away"),
        "http://page.example/d": "",
    }
    left = Images((ImageUrl(parse_url("http://i.example/left")),), is_best=False)
    posts = (ask("a"), ask("b", fallback=left), image("plain"), ask("c"), ask("d"))
    with capture_logs() as logs:
        await world.run(FakeSource([Batch(posts)]))
    assert await world.urls() == ["1", "2", "left", "plain"]
    counts = {None: 3, PostReason.NO_IMAGES: 1, PostReason.UNRESOLVED: 1}
    assert (await world.place()).post_counts == counts
    assert [log["event"] for log in logs] == ["post_not_wholly_resolved", "post_not_resolved"]


async def test_following(world, monkeypatch) -> None:
    """It looks again and again, from its cursor on; it waits longer after looks that brought nothing, and says so."""
    clock = Clock(monkeypatch, limit=4)
    source = FakeSource([batch("a", cursor="1")], [batch("a", "b", cursor="2")], [batch("b")])
    with pytest.raises(EnoughSlept):
        await world.run(source, follow=True)
    assert clock.slept == [5.0, 5.0, 25.0, 25.0]
    assert source.cursors == ["", "1", "2", "2"]
    place = await world.place()
    assert (place.state, place.listed_count) == (SourceState.WAITING, 2)
    assert place.next_poll_time == pytest.approx(time.time() + 25, abs=5)
    assert place.post_counts == {None: 2}


async def test_a_post_counts_once_however_many_looks_have_it(world, monkeypatch) -> None:
    """What looks have in common is neither counted nor asked for again, whether it was listed or turned away."""
    Clock(monkeypatch, limit=3)
    page = parse_url("http://page.example/a")
    world.answers = {page.text: "1"}
    asked = Ask(page, AskKind.PAGE, lambda answer: Images.of([ImageUrl(answer.url)]), NOTHING)
    video = Post(post_id="v", flags=PostFlags(is_video=True))
    posts = (Post(post_id="p", images=asked), video, Post(post_id="t", images=NOTHING))
    source = FakeSource(*([Batch(posts, cursor=str(number))] for number in (1, 2, 3)))
    with pytest.raises(EnoughSlept):
        await world.run(source, follow=True)
    counts = {None: 1, PostReason.IS_VIDEO: 1, PostReason.NO_IMAGES: 1}
    assert (await world.place()).post_counts == counts


async def test_an_interval_of_one_s_own(world, monkeypatch) -> None:
    """It is kept to, whether there is news or not."""
    clock = Clock(monkeypatch, limit=3)
    with pytest.raises(EnoughSlept):
        await world.run(FakeSource([batch("a")], [batch()]), follow=True, poll_s=2.0)
    assert clock.slept == [2.0, 2.0, 2.0]


async def test_a_source_without_news_is_done_after_so_many_looks(world, monkeypatch) -> None:
    """In a row: one that brings something begins the count anew."""
    Clock(monkeypatch, limit=99)
    looks = ([batch("a")], [batch()], [batch("b")], [batch("b")], [batch()], [batch()])
    source = FakeSource(*looks)
    assert await world.run(source, follow=True, max_empty_polls=3) == ""
    assert len(source.cursors) == 6
    assert (await world.place()).state is SourceState.DONE


async def test_fifty_looks_without_news_are_told(world, monkeypatch) -> None:
    """Once, so that somebody may look what is the matter."""
    Clock(monkeypatch, limit=60)
    with capture_logs() as logs, pytest.raises(EnoughSlept):
        await world.run(FakeSource([batch()]), follow=True)
    assert [log["polls"] for log in logs if log["event"] == "no_news"] == [50]


async def test_a_new_process_waits_as_long_as_the_old_one_would_have(world, monkeypatch) -> None:
    """The next look is planned in the catalogue; a source that waits is not asked by a restart."""
    clock = Clock(monkeypatch, limit=1)
    source = FakeSource([batch("a", cursor="1")], poll_s=500.0)
    with pytest.raises(EnoughSlept):
        await world.run(source, follow=True)
    with pytest.raises(EnoughSlept):
        await (await world.lister(source)).run()
    assert clock.slept[0] == 500.0
    assert clock.slept[1] == pytest.approx(500.0, abs=20)
    assert source.cursors == [""]


async def test_a_source_that_fails_is_given_up(world, monkeypatch) -> None:
    """Listed once, it is not tried again; what came before is kept, and the cause is told."""
    clock = Clock(monkeypatch)
    source = FakeSource([batch("a", cursor="1"), SourceFailed("test:source", "it broke")])
    with capture_logs() as logs:
        assert await world.run(source) == "test:source cannot be listed: it broke"
    place = await world.place()
    assert (place.state, place.state_reason) == (
        SourceState.FAILED,
        "test:source cannot be listed: it broke",
    )
    assert (place.block_reason, place.next_poll_time, place.list_time) == (None, None, None)
    assert (await world.urls(), place.cursor, place.post_counts) == (["a"], "1", {None: 1})
    assert clock.slept == []
    assert [log["event"] for log in logs] == ["source_failed"]


async def test_a_followed_source_that_fails_is_tried_again(world, monkeypatch) -> None:
    """After 30 s, a minute, two …, an hour; once it works, it is as if nothing had been."""
    clock = Clock(monkeypatch, limit=11)
    failure = SourceFailed("test:source", "it is away")
    source = FakeSource(*([failure] for _ in range(9)), [batch("a")], [failure])
    with pytest.raises(EnoughSlept):
        await world.run(source, follow=True)
    assert clock.slept == [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 5, 30]
    assert await world.urls() == ["a"]


@pytest.mark.parametrize(
    ("retry_s", "slept"),
    [(60.0, [60.0, 60.0, 60.0]), (900.0, [900.0] * 3), (901.0, []), (None, [])],
)
async def test_a_source_that_does_not_let_us(world, monkeypatch, retry_s, slept) -> None:
    """A short wait is waited for, three times; a long one, or a person's turn, is not."""
    clock = Clock(monkeypatch)
    blocked = SourceBlocked("test:source", BlockReason.RATE_LIMITED, "too fast", retry_s=retry_s)
    assert "too fast" in await world.run(FakeSource([blocked]))
    assert clock.slept == slept
    place = await world.place()
    assert (place.state, place.block_reason) == (SourceState.BLOCKED, BlockReason.RATE_LIMITED)
    assert place.next_poll_time is None


async def test_a_followed_source_is_left_alone_for_as_long_as_it_asks(world, monkeypatch) -> None:
    """However long; and a person who acts finds it working again by itself."""
    clock = Clock(monkeypatch, limit=3)
    blocked = SourceBlocked("test:source", BlockReason.FORBIDDEN, "no", retry_s=7_200.0)
    missing = SourceBlocked("test:source", BlockReason.CREDENTIALS_MISSING, "no key")
    source = FakeSource([blocked], [missing], [batch("a")])
    with pytest.raises(EnoughSlept):
        await world.run(source, follow=True)
    assert clock.slept == [7_200.0, 60.0, 5.0]
    place = await world.place()
    assert (place.state, place.block_reason, place.state_reason) == (SourceState.WAITING, None, "")


async def test_a_gap_is_recorded_and_told(world) -> None:
    """How often, and what the last one was."""
    source = FakeSource([batch("a", gap="first"), batch(gap="second", cursor="1")])
    with capture_logs() as logs:
        await world.run(source)
    place = await world.place()
    assert (place.gap_count, place.last_gap) == (1, "second")
    assert [log["gap"] for log in logs] == ["second"]


async def test_many_posts_are_recorded_as_they_come(world) -> None:
    """Every hundred: what a crash finds unrecorded is little, and the cursor is never ahead of the listings."""
    seen = []

    class Watched(FakeSource):
        async def list_posts(self, cursor):
            async for one in super().list_posts(cursor):
                yield one
                seen.append(((await world.place()).cursor, len(await world.urls())))

    batches = [
        batch(*range(start, start + 40), cursor=str(start + 40)) for start in range(0, 240, 40)
    ]
    await world.run(Watched(batches))
    assert seen == [("", 0), ("", 0), ("120", 120), ("120", 120), ("120", 120), ("240", 240)]


async def test_a_crawl_that_has_its_fill(world) -> None:
    """No listing more than asked for; the cursor stays before what did not fit."""
    world.limit = 5
    source = FakeSource([batch(*range(120), cursor="120"), batch(*range(120, 240), cursor="240")])
    with pytest.raises(EnoughListings):
        await world.run(source)
    place = await world.place()
    assert (len(await world.urls()), place.cursor, place.listed_count) == (5, "", 5)
    assert place.post_counts == {None: 120}


async def test_listings_that_are_known_take_no_room(world) -> None:
    """A look that overlaps finds what is new behind them, though it lists more than there is room for."""
    await world.run(FakeSource([batch(*range(50), cursor="1")]))
    world.limit = 53
    await world.database.run(
        lambda c: c.exec_driver_sql("UPDATE crawl_sources SET state = 'WAITING'")
    )
    again = FakeSource([batch(*range(60), cursor="2")])
    with pytest.raises(EnoughListings):
        await (await world.lister(again)).run()
    assert await world.urls() == [str(number) for number in range(53)]
    assert (await world.place()).cursor == "1"
    world.limit = 100
    assert await (await world.lister(again)).run() == ""
    assert len(await world.urls()) == 60
    place = await world.place()
    # Each post was seen three times or twice; each listing is counted once, but for the first look.
    assert (place.cursor, place.listed_count) == ("2", 60)


async def test_two_sources_share_the_room(world) -> None:
    """They record in turn: together they do not exceed it."""
    world.limit = 150
    sources = [
        FakeSource([batch(*(f"{name}{n}" for n in range(100)))], uri=f"test:{name}")
        for name in "ab"
    ]
    await world.create(*sources)
    listers = [await world.lister(source, position=number) for number, source in enumerate(sources)]
    ends = await asyncio.gather(*(one.run() for one in listers), return_exceptions=True)
    assert len(await world.urls()) == 150
    assert any(isinstance(end, EnoughListings) for end in ends)


async def test_sources_of_a_higher_priority_record_first(world) -> None:
    """Where there is room for one at a time; a change while they wait counts."""
    sources = [FakeSource([batch(f"{name}1")], uri=f"test:{name}") for name in "abcd"]
    await world.create(*sources)
    for name, priority in (("b", 1), ("d", 2)):
        await set_priority(world, f"test:{name}", priority)
    world.waits = 2

    async def room(position):
        if position == 0 and not world.looks:
            await set_priority(world, "test:a", 50)
        return await world.room(position)

    listers = [
        await world.lister(source, position=number, room=room)
        for number, source in enumerate(sources)
    ]
    await asyncio.gather(*(one.run() for one in listers))
    names = [uri.removeprefix("test:") for uri, _ in world.looks]
    # The first two come to a full frontier; by then one of them goes before all others.
    assert names == ["a", "d", "a", "d", "b", "c"]
    assert await world.urls() == ["a1", "d1", "b1", "c1"]


async def set_priority(world, uri, priority):
    await world.database.run(lambda c: priorities.set_priority(c, "c1", [uri], priority))


async def test_one_lister_at_a_time(world, monkeypatch) -> None:
    """A second one waits for the lease; the first, once it has lost it, records nothing more."""
    source = FakeSource([batch("a")])
    await world.create(source)
    assert await world.database.run(
        lambda c: crawl_sources.acquire(c, "c1", 0, LeaseTerms("other", time.time(), 60.0))
    )
    clock = Clock(monkeypatch, limit=3)
    with pytest.raises(EnoughSlept):
        await (await world.lister(source)).run()
    assert (clock.slept, source.cursors) == ([0.01] * 3, [])

    class Stolen(FakeSource):
        async def list_posts(self, cursor):
            yield batch("b", cursor="mine")
            await world.database.run(crawl_sources.release_all)
            await world.database.run(
                lambda c: crawl_sources.acquire(c, "c1", 0, LeaseTerms("thief", time.time(), 60.0))
            )

    await world.database.run(crawl_sources.release_all)
    with pytest.raises(LeaseLost):
        await (await world.lister(Stolen())).run()
    assert (await world.urls(), (await world.place()).cursor) == ([], "")


async def test_a_source_is_closed_when_its_lister_ends(world) -> None:
    """Whatever it holds, a process or a file, is let go at once."""
    closed = []

    class Held(FakeSource):
        async def list_posts(self, cursor):
            try:
                while True:
                    yield batch(*range(200))
            finally:
                closed.append(True)

    world.limit = 10
    with pytest.raises(EnoughListings):
        await world.run(Held())
    assert closed == [True]


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        ({}, ""),
        ({"a": 1, "b": None, "c": [True]}, '{"a": 1, "b": null, "c": [true]}'),
        ({"a": float("nan"), "b": {1, 2}, "c": 1}, '{"c": 1}'),
        ({"deep": deep(100_000), "a": 1}, '{"a": 1}'),
        ({"long": "x" * 9_000, "a": "y" * 8_000}, json.dumps({"a": "y" * 8_000})),
        ({"é\ud83d": "\u2028"}, '{"\\u00e9\\ud83d": "\\u2028"}'),
    ],
)
async def test_facts_have_a_bound(world, facts, kept) -> None:
    """What is no JSON is left out, and the longest until 8,192 characters hold the rest."""
    await world.run(FakeSource([Batch((Post(url="http://x/a", facts=facts),))]))
    [row] = await world.rows()
    assert row["post_facts"] == kept
