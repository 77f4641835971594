from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.crawler.post import Post
from services.crawler.sources.newest_first import PostPage, list_newest_first

PAGE = 10


class Place:
    """Shows its newest posts first, ten a page; `after` is the last post of the page before, as Reddit has it."""

    def __init__(self, count=0):
        self.posts = [f"p{number}" for number in range(count, 0, -1)]
        self.made = count
        self.asked = []
        self.fail_at = None

    def publish(self, count=1, rank=0):
        """Publishes posts, behind so many newer ones if they come late."""
        for _ in range(count):
            self.made += 1
            self.posts.insert(min(rank, len(self.posts)), f"p{self.made}")

    async def fetch(self, after):
        self.asked.append(after)
        if len(self.asked) == self.fail_at:
            raise ConnectionError("the place is away")
        begin = self.posts.index(after) + 1 if after else 0
        page = self.posts[begin : begin + PAGE]
        more = page[-1] if begin + PAGE < len(self.posts) else ""
        return PostPage(tuple(Post(post_id=name) for name in page), more)

    async def look(self, cursor="", max_pages=1_000):
        """What a look lists, the cursor it leaves, and the gap that it states."""
        self.asked = []
        listed, gap = [], ""
        async for batch in list_newest_first(self.fetch, cursor, uri="test:x", max_pages=max_pages):
            listed += [post.post_id for post in batch.posts]
            cursor, gap = batch.cursor or cursor, batch.gap or gap
        return listed, cursor, gap


async def test_the_first_look_lists_everything() -> None:
    """Newest first, page by page; the last page names no next one."""
    place = Place(35)
    listed, cursor, gap = await place.look()
    assert listed == place.posts
    assert (json.loads(cursor), gap) == (place.posts, "")
    assert len(place.asked) == 4


async def test_an_empty_place() -> None:
    """No posts are no error, and no gap the next time."""
    place = Place()
    assert await place.look() == ([], "[]", "")
    place.publish(3)
    assert await place.look("[]") == (["p3", "p2", "p1"], '["p3", "p2", "p1"]', "")


async def test_a_later_look_ends_behind_25_known_posts() -> None:
    """The new ones alone, however many there are behind them; no more pages than the overlap takes."""
    place = Place(200)
    _, cursor, _ = await place.look()
    place.publish(3)
    listed, cursor, gap = await place.look(cursor)
    assert listed == place.posts[:3]
    assert (len(place.asked), gap) == (3, "")
    listed, _, _ = await place.look(cursor)
    assert listed == []


async def test_posts_that_come_late_are_found_in_the_overlap() -> None:
    """Behind up to 24 posts that are known already, as a moderator or an archive lets them through."""
    place = Place(100)
    _, cursor, _ = await place.look()
    place.publish(rank=24)
    assert f"p{place.made}" in (await place.look(cursor))[0]
    place.publish(rank=60)
    assert f"p{place.made}" not in (await place.look(cursor))[0]


async def test_the_newest_posts_are_deleted() -> None:
    """The names of older ones are remembered: no gap, and nothing missed."""
    place = Place(100)
    _, cursor, _ = await place.look()
    del place.posts[:70]
    place.publish(2)
    listed, _, gap = await place.look(cursor)
    assert listed == place.posts[:2]
    assert gap == ""


async def test_a_gap_is_stated() -> None:
    """Pages end before a known post comes: by their number, or because the place shows no more."""
    place = Place(30)
    _, cursor, _ = await place.look()
    place.publish(60)
    listed, later, gap = await place.look(cursor, max_pages=3)
    assert len(listed) == 30
    assert gap == (
        "30 posts are new, more than were asked for: some between them and the last listing may be missing"
    )
    assert json.loads(later)[:31] == [*place.posts[:30], "p30"]
    del place.posts[40:]
    _, _, gap = await place.look(cursor)
    assert "all that the place still shows" in gap


async def test_a_place_that_is_empty_again_is_no_gap() -> None:
    """Everything was deleted, or an error page showed nothing: what is known stays known."""
    place = Place(30)
    _, cursor, _ = await place.look()
    everything, place.posts = place.posts, []
    assert await place.look(cursor) == ([], cursor, "")
    place.posts = everything
    assert (await place.look(cursor))[0] == []


async def test_a_crash_in_the_middle_loses_nothing() -> None:
    """The cursor moves with the last batch only: the next look begins from the top again."""
    place = Place(100)
    _, cursor, _ = await place.look()
    place.publish(45)
    place.asked, place.fail_at = [], 3
    batches = list_newest_first(place.fetch, cursor, uri="x", max_pages=99)
    assert [(await anext(batches)).cursor for _ in range(2)] == ["", ""]
    with pytest.raises(ConnectionError):
        await anext(batches)
    place.fail_at = None
    listed, _, gap = await place.look(cursor)
    assert listed[:45] == place.posts[:45]
    assert gap == ""


@pytest.mark.parametrize("round_", [["a"], ["a", "b"], ["a", "b", "c", "a"]])
async def test_pages_that_lead_round_in_circles(round_: list[str]) -> None:
    """A page that was asked for before ends the look, and the log and the gap say so."""
    number = 0

    async def fetch(after):
        nonlocal number
        number += 1
        # Each has something new, so only the repeated name tells.
        return PostPage((Post(post_id=f"n{number}"),), round_[(number - 1) % len(round_)])

    with capture_logs() as logs:
        batches = [b async for b in list_newest_first(fetch, '["k"]', uri="x", max_pages=99)]
    assert number == len(set(round_)) + 1
    assert [log["event"] for log in logs] == ["listing_loops"]
    assert "round in circles" in batches[-1].gap
    assert batches[-1].cursor


async def test_pages_that_repeat_themselves() -> None:
    """A page with nothing new ends the look, whatever its next one is called."""
    number = 0

    async def fetch(_after):
        nonlocal number
        number += 1
        return PostPage(tuple(Post(post_id=f"p{n}") for n in range(10)), f"page {number}", 1)

    batches = [b async for b in list_newest_first(fetch, "", uri="x", max_pages=99)]
    assert number == 2
    assert [len(batch.posts) for batch in batches] == [10, 0]
    assert sum(batch.skipped_count for batch in batches) == 2
    assert "round in circles" in batches[-1].gap


async def test_a_post_that_comes_twice_is_listed_once() -> None:
    """New posts push known ones to the next page while a look is under way."""
    pages = iter(
        [
            PostPage((Post(post_id="b"), Post(post_id="a")), "2"),
            PostPage((Post(post_id="a"), Post(post_id="z"))),
        ]
    )

    async def fetch(_after):
        return next(pages)

    batches = [b async for b in list_newest_first(fetch, "", uri="x", max_pages=99)]
    assert [post.post_id for batch in batches for post in batch.posts] == ["b", "a", "z"]


@pytest.mark.parametrize(
    "cursor", ["", "x", "3", "{}", '{"a": 1}', "null", "[" * 100_000, "[1, null, {}]", '"p1"']
)
async def test_a_cursor_of_another_version_is_empty(cursor: str) -> None:
    """Whatever stands in it, everything is listed."""
    place = Place(30)
    assert (await place.look(cursor))[0] == place.posts


async def test_a_cursor_has_a_bound() -> None:
    """500 names, fewer if they are long; and it can be stored, whatever characters they have."""
    place = Place(700)
    _, cursor, _ = await place.look()
    assert json.loads(cursor) == place.posts[:500]
    place.posts = [f"{'é' * 200}\ud83d{name}" for name in place.posts]
    _, cursor, _ = await place.look(cursor)
    assert len(cursor) <= 60_000
    assert cursor.isascii()
    assert json.loads(cursor) == place.posts[: len(json.loads(cursor))]
    assert len(json.loads(cursor)) > 40


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 40)),
        st.tuples(st.just("publish_late"), st.integers(0, 24)),
        st.tuples(st.just("delete"), st.integers(0, 200)),
        st.tuples(st.just("crash"), st.integers(1, 4)),
        st.tuples(st.just("look"), st.integers(2, 8)),
    ),
    max_size=30,
)


class Ledger:
    """A place, where looks at it stand, and which posts need not be listed any more."""

    def __init__(self, count):
        self.place = Place(count)
        self.cursor = "[]"
        self.accounted = set()
        self.late = []

    async def publish(self, count):
        self.place.publish(count)

    async def publish_late(self, rank):
        # Each pushes the known ones down by one.
        self.place.publish(rank=max(0, rank - len(self.late)))
        self.late.append(f"p{self.place.made}")

    async def delete(self, at):
        if self.place.posts:
            del self.place.posts[at % len(self.place.posts)]

    async def crash(self, at):
        self.place.fail_at = at
        with suppress(ConnectionError):
            await self.look(1_000)
        self.place.fail_at = None

    async def look(self, max_pages):
        is_first = self.cursor == "[]"
        listed, self.cursor, gap = await self.place.look(self.cursor, max_pages=max_pages)
        self.accounted.update(listed)
        if gap or is_first:
            self.accounted.update(self.place.posts)
        if len(self.place.asked) == max_pages:
            self.accounted.update(self.late)
        assert set(self.place.posts) <= self.accounted
        self.late = []


@given(st.integers(0, 60), _STEPS)
@settings(max_examples=200)
async def test_no_post_is_lost_while_no_gap_is_stated(count, steps) -> None:
    """Whatever is published, late, deleted or broken off: a look that states no gap leaves nothing unlisted behind.

    Posts that came late are above the 25th known one. A look that knows no post is a first one, and bounded; one that
    ends with its last page may end before those that came late.
    """
    ledger = Ledger(count)
    await ledger.look(1_000)
    for step, number in steps:
        await getattr(ledger, step)(number)
    await ledger.look(1_000)
