from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.crawler.post import Post
from services.crawler.sources.time_windows import Span, WindowPage, list_by_time


class Place:
    """Posts by second, shown in pages as a place that sorts by time does."""

    def __init__(self, seconds, page_size):
        self.posts = [
            Post(post_id=f"p{n}", time=float(second)) for n, second in enumerate(sorted(seconds))
        ]
        self.page_size = page_size
        self.asked = []

    def add(self, name, second):
        self.posts.append(Post(post_id=name, time=float(second)))
        self.posts.sort(key=lambda post: post.time)

    async def fetch(self, second):
        self.asked.append(second)
        shown = [post for post in self.posts if post.time >= second][: self.page_size]
        return WindowPage(tuple(shown), len(shown) == self.page_size)


async def look(place, cursor="", span=Span(), *, batches_max=10_000):
    """The names that one look lists, its last cursor and its gaps."""
    names, gaps = [], []
    async for batch in list_by_time(place.fetch, cursor, span, uri="place:x"):
        names += [post.post_id for post in batch.posts]
        gaps += [batch.gap] if batch.gap else []
        cursor = batch.cursor or cursor
        batches_max -= 1
        if not batches_max:
            break
    return names, cursor, gaps


SECONDS = st.lists(st.integers(1, 30), max_size=60)


@given(SECONDS, st.integers(1, 8), st.integers(0, 10))
async def test_every_post_comes_once_whatever_the_pages_and_ties(seconds, page_size, overlap_s):
    """Only a second that fills a page can lose posts, and then the gap is stated."""
    place = Place(seconds, page_size)
    names, _, gaps = await look(place, span=Span(overlap_s=overlap_s))
    assert max(Counter(names).values(), default=1) == 1
    ties = Counter(seconds)
    full = {second for second, count in ties.items() if count >= page_size}
    missing = {post.post_id for post in place.posts} - set(names)
    assert {post.time for post in place.posts if post.post_id in missing} <= full
    assert len(missing) == sum(max(0, count - page_size) for count in ties.values())
    assert len(gaps) == len(full)


@given(SECONDS, SECONDS, st.integers(4, 9), st.integers(1, 6), st.integers(0, 5))
async def test_looks_that_break_off_lose_nothing(seconds, later, page_size, batches, overlap_s):
    """Each look begins where the last recorded cursor is; posts that came meanwhile at its end are listed too."""
    seconds = [second for second, count in Counter(seconds).items() for _ in range(min(count, 3))]
    place, span = Place(seconds, page_size), Span(overlap_s=overlap_s)
    found, cursor = [], ""
    for _ in range(80):
        names, cursor, gaps = await look(place, cursor, span, batches_max=batches)
        assert not gaps
        found += names
    for number, second in enumerate(dict.fromkeys(later)):
        place.add(f"late{number}", 31 + second)
    names, cursor, _ = await look(place, cursor, span)
    assert set(found + names) == {post.post_id for post in place.posts}
    assert (await look(place, cursor, span))[0] == []


async def test_a_late_post_within_the_overlap_is_listed():
    """A post that an archive gets late comes with the next look, and the others of the overlap do not come again."""
    place, span = Place(range(100, 200), 30), Span(overlap_s=20)
    _, cursor, _ = await look(place, span=span)
    place.add("late", 185)
    place.add("too_late", 150)
    assert (await look(place, cursor, span))[0] == ["late"]


async def test_one_request_finds_that_nothing_is_new():
    """A look at a place that did not change asks once, at the last second."""
    place = Place(range(100, 200), 30)
    _, cursor, _ = await look(place)
    place.asked.clear()
    assert (await look(place, cursor))[0] == []
    assert place.asked == [199]


async def test_only_what_lies_in_the_span_is_listed():
    """The first second counts, the end does not; nothing is asked for behind it."""
    place = Place([1, 5, 5, 6, 9, 10, 11], 2)
    names, cursor, _ = await look(place, span=Span(after=5, before=10))
    assert names == ["p1", "p2", "p3", "p4"]
    assert max(place.asked) <= 9
    assert (await look(place, cursor, Span(after=5, before=10)))[0] == []


async def test_a_post_of_a_wrong_clock_does_not_move_the_cursor():
    """A post that is dated years ahead ends no later look."""
    place, span = Place([1, 2, 3, 9_999], 3), Span(before=100)
    names, cursor, _ = await look(place, span=span)
    assert names == ["p0", "p1", "p2"]
    place.add("new", 4)
    assert (await look(place, cursor, span))[0] == ["new"]


async def test_pages_in_another_order_are_read_all_the_same():
    """A place may show the posts of a page newest first."""
    place = Place([1, 2, 3, 4, 5], 3)
    sorted_fetch = place.fetch

    async def fetch(second):
        page = await sorted_fetch(second)
        return WindowPage(page.posts[::-1], page.is_full)

    place.fetch = fetch
    assert (await look(place))[0] == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("size", [0, 3])
async def test_a_place_that_leads_round_in_circles_ends_the_listing(size):
    """Whether it ignores the time that was asked for or shows full pages of nothing: two requests, a gap, a warning."""
    asked = []

    async def fetch(second):
        asked.append(second)
        posts = tuple(Post(post_id=f"p{n}", time=50.0 + n) for n in range(size))
        return WindowPage(posts, is_full=True, skipped_count=3 - size)

    with capture_logs() as logs:
        listed = list_by_time(fetch, "", Span(after=20), uri="place:x")
        batches = [batch async for batch in listed]
    assert sum(len(batch.posts) for batch in batches) == size
    assert len(asked) == (3 if size else 2)
    assert "again and again" in batches[-1].gap
    assert [entry["event"] for entry in logs] == ["listing_loops"]


async def test_ever_new_posts_of_one_second_end_the_listing():
    """A place that makes up posts of one second, a few at a time, is not asked for ever."""
    asked = []

    async def fetch(second):
        asked.append(second)
        return WindowPage((Post(post_id=f"p{len(asked)}", time=20.0),), is_full=False)

    names = [b async for b in list_by_time(fetch, "", Span(after=20), uri="place:x")]
    assert len(asked) == len(names) == 2


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "7",
        "[]",
        "[1]",
        "{}",
        '["1", []]',
        "[true, []]",
        "[-5, []]",
        "[5, 7]",
        "[" * 9_999,
    ],
)
async def test_a_cursor_of_something_else_counts_as_empty(cursor):
    """Everything is listed again, and nothing fails."""
    place = Place([1, 2, 3], 2)
    assert len((await look(place, cursor))[0]) == 3


async def test_the_cursor_has_a_bound():
    """Of thousands of posts in the overlap only the newest names are kept, and none that is long."""
    place = Place(range(1, 5_000), 500)
    place.add("x" * 100_000, 5_000)
    _, cursor, _ = await look(place, span=Span(overlap_s=10_000))
    time, names = json.loads(cursor)
    assert time == 5_000
    assert "p4998" in names
    assert len(cursor) < 60_000
