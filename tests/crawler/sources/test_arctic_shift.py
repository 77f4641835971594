from __future__ import annotations

import asyncio
import itertools
import json
import time
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from services.crawler.sources.archived_post import read_archived_post
from services.crawler.sources.arctic_shift import ARCTIC_SHIFT, BASE, ArcticShiftSource
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.api_server import DEEP, HTML, NO_OBJECT, Scripted, large
from tests.faithful.arctic_shift_server import (
    FIRST_TIME,
    TOO_SLOW,
    ArcticShiftServer,
    archived,
    error,
)
from tests.faithful.asking import registry_for


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    """Requests follow each other at once."""
    monkeypatch.setattr(ArcticShiftSource, "gap_s", 0.0)


@asynccontextmanager
async def asking(text="arctic-shift:r/EarthPorn", *, posts=(), **changed):
    """A source and the archive that it asks."""
    async with (
        ArcticShiftServer(posts, **changed) as archive,
        registry_for(archive, {BASE: archive.origin}) as registry,
    ):
        yield registry.parse(text), archive


def ids(posts):
    return [post.post_id for post in posts]


@pytest.mark.parametrize("is_inclusive", [False, True])
async def test_every_post_is_listed_once_and_whole(is_inclusive):
    """Earliest first, page by page, whichever way the windows' edges are: with galleries, crossposts, everything."""
    posts = archived([n // 3 * 7 for n in range(350)])
    async with asking(posts=posts[::-1], is_inclusive=is_inclusive) as (source, archive):
        listed = await posts_of(source)
    assert {post.post_id: post for post in listed} == {
        post["id"]: read_archived_post(post) for post in posts
    }
    assert len(listed) == len(posts)
    assert [post.time for post in listed] == sorted(post.time for post in listed)
    assert any(len(post.images.images) > 2 for post in listed if not post.flags.is_removed)
    assert all(
        asked.query["sort"] == "asc" and "fields" not in asked.query for asked in archive.asked
    )
    assert len(archive.asked) <= 6


async def test_later_looks_go_on_where_the_last_one_ended():
    """One request finds nothing new; later posts come alone, also one that the archive got a few minutes late."""
    posts = archived(range(0, 4_000, 10))
    early, new = posts[:300], posts[300:]
    late = early.pop(280)
    async with asking(posts=early) as (source, archive):
        cursor = await last_cursor(source)
        archive.asked.clear()
        assert await posts_of(source, cursor) == []
        assert len(archive.asked) <= 2
        archive.posts += [late, *new]
        assert ids(await posts_of(source, cursor)) == [post["id"] for post in (late, *new)]


async def test_a_backfill_that_breaks_off_loses_nothing():
    """From the cursor of whatever batch a look begins, it lists the rest."""
    posts = archived(range(0, 9_000, 20))
    async with asking(posts=posts) as (source, _):
        batches = await batches_of(source)
        done = 0
        for batch in batches:
            done += len(batch.posts)
            rest = ids(await posts_of(source, batch.cursor))
            assert rest == [post["id"] for post in posts[done:]]


async def test_a_span_and_an_author():
    """The first second counts and the end does not; an author's posts are of all communities."""
    mine = archived(range(10), author="ansel") + archived([5], author="ansel", subreddit="pics")
    others = archived(range(10), author="other")
    text = f"arctic-shift:u/Ansel?after={FIRST_TIME + 3}&before={FIRST_TIME + 6}"
    async with asking(text, posts=mine + others, is_inclusive=True) as (source, archive):
        listed = await posts_of(source)
    assert sorted(post.time - FIRST_TIME for post in listed) == [3, 4, 5, 5]
    assert {post.community for post in listed} == {"reddit:r/EarthPorn", "reddit:r/pics"}
    assert {asked.query["author"] for asked in archive.asked} == {"ansel"}


async def test_removed_posts_are_marked():
    """By Reddit's own field, by what the archive saw later, or by an author who is gone."""
    posts = archived(range(5))
    for post in posts:
        post |= {"_meta": {}, "removed_by_category": None, "author": "a", "is_video": False}
        post.pop("crosspost_parent_list", None)
    posts[1]["removed_by_category"] = "moderator"
    posts[2]["_meta"] = {"was_deleted_later": True, "removal_type": "deleted"}
    posts[3]["author"] = "[deleted]"
    posts[4]["_meta"] = {"was_initially_deleted": True, "removal_type": "automod_filtered"}
    async with asking(posts=posts) as (source, _):
        removed = [post.flags.is_removed for post in await posts_of(source)]
    assert removed == [False, True, True, True, False]


async def test_a_page_that_is_too_much_work_is_asked_for_in_parts():
    """A 422 for 100 posts at once is answered with 50, then 25; nothing is lost by it."""
    posts = archived(range(180))
    async with asking(posts=posts) as (source, archive):
        archive.heavy_limit = 30
        assert ids(await posts_of(source)) == [post["id"] for post in posts]
    assert [asked.query["limit"] for asked in archive.asked][:4] == ["100", "50", "25", "25"]


@pytest.mark.parametrize(
    "answer", [TOO_SLOW, error("Slow down a little"), error("Query timed out")]
)
async def test_a_service_that_cannot_do_it_now_is_left_alone_for_a_minute(answer):
    """Whatever status it says so with: blocked, with the time of the next try."""
    async with asking(posts=archived(range(5))) as (source, archive):
        archive.scripted.extend([answer] * 3)
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
        assert len(archive.asked) == 3
        assert len(await posts_of(source)) == 5
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, 60.0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTML, "no JSON"),
        (DEEP, "too deeply"),
        (NO_OBJECT, "no JSON object"),
        (Scripted(body=b"{}"), "without posts"),
        (Scripted(body=b'{"data": {"a": 1}}'), "without posts"),
        (Scripted(body=b'{"data": "' + b"x" * 99 + b'"}'), "without posts"),
        (error("Under maintenance"), "Under maintenance"),
        (error("x\n" * 9_000), "x x x"),
        (error("'limit' must be between 1 and 100", 400), "HTTP 400"),
        (Scripted(status=404), "HTTP 404"),
        (Scripted(body=b""), "no JSON"),
        (large(b'{"data": null, "error": "', b'"}'), "xxx"),
        (Scripted(body=b" " * 10_000_001), "bytes"),
    ],
)
async def test_answers_that_are_none_fail_in_one_sentence(answer, words):
    """An error page with status 200, other JSON, an error of the service, ten megabytes."""
    async with asking(posts=archived(range(5))) as (source, archive):
        archive.scripted.append(answer)
        with pytest.raises(SourceFailed, match=words) as failed:
            await posts_of(source)
        assert len(str(failed.value).splitlines()) == 1
        assert len(str(failed.value)) < 600
        assert len(await posts_of(source)) == 5


@pytest.mark.parametrize(
    ("status", "reason"), [(403, BlockReason.FORBIDDEN), (429, BlockReason.RATE_LIMITED)]
)
async def test_a_service_that_refuses_blocks(status, reason):
    """A 429 is waited for as long as it says."""
    async with asking(posts=archived(range(5))) as (source, archive):
        archive.scripted.append(Scripted(status=status, headers={"Retry-After": "7"}))
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
    assert blocked.value.reason is reason
    assert blocked.value.retry_s == (7.0 if status == 429 else None)


async def test_entries_that_are_no_posts_are_skipped_and_counted():
    """Null, other types, posts without name or time, crossposts without end: the others are listed."""
    good = archived(range(3))
    endless = good[0]
    for _ in range(100):
        endless = good[0] | {"id": "x", "crosspost_parent_list": [endless]}
    bad = [None, 7, "x", [], {}, {"id": "x"}, {"id": "x", "created_utc": "soon"}, endless]
    body = json.dumps({"data": [*good, *bad]}).encode()
    async with asking(posts=good) as (source, archive):
        archive.scripted.append(Scripted(body=body))
        batches = await batches_of(source)
    assert ids(post for batch in batches for post in batch.posts) == ids(
        map(read_archived_post, good)
    )
    assert [batch.skipped_count for batch in batches] == [len(bad), 0]


async def test_no_request_goes_out_while_none_is_left():
    """`X-RateLimit-Remaining: 0` is waited for, in seconds or as a time, and for long by whoever lists."""
    async with asking(posts=archived(range(150))) as (source, archive):
        archive.rate_limit = ("0", "0.3")
        assert len(await posts_of(source)) == 150
        first, second, *_ = (asked.time for asked in archive.asked)
        assert second - first >= 0.29
        archive.rate_limit = ("0", str(int(time.time()) + 900))
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
    assert blocked.value.reason is BlockReason.RATE_LIMITED
    assert 800 < blocked.value.retry_s <= 900


@pytest.mark.parametrize("values", [("", ""), ("nan", "inf"), ("-1", "x"), ("0", "9" * 99)])
async def test_headers_that_say_nothing_do_no_harm(values):
    """Numbers that are none count as not sent."""
    async with asking(posts=archived(range(150))) as (source, archive):
        archive.rate_limit = values
        assert len(await posts_of(source)) == 150


async def test_all_sources_together_ask_once_a_gap(monkeypatch):
    """Two places are listed at the same time; their requests come one by one."""
    monkeypatch.setattr(ArcticShiftSource, "gap_s", 0.1)
    assert ARCTIC_SHIFT.parse("x", "r/pics", source_tools()).poll_s == 300.0
    async with (
        ArcticShiftServer(archived(range(250))) as archive,
        registry_for(archive, {BASE: archive.origin}) as registry,
    ):
        places = (registry.parse(f"arctic-shift:r/{name}") for name in ("EarthPorn", "pics"))
        await asyncio.gather(*map(posts_of, places))
    times = [asked.time for asked in archive.asked]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.09
    assert archive.busiest == 1


async def test_an_archive_that_ignores_the_time_ends_the_listing():
    """The same full page again and again: a gap and a warning, not an endless listing."""
    page = Scripted(body=json.dumps({"data": archived(range(100))}).encode())
    async with asking() as (source, archive):
        archive.scripted.extend([page] * 50)
        with capture_logs() as logs:
            batches = await batches_of(source)
    assert sum(len(batch.posts) for batch in batches) == 100
    assert batches[-1].gap
    assert "listing_loops" in [entry["event"] for entry in logs]
    assert len(archive.asked) <= 4


async def test_a_second_with_more_posts_than_a_page_is_a_gap():
    """What lies behind it is listed all the same."""
    async with asking(posts=archived([*[5] * 130, 6, 7])) as (source, _):
        batches = await batches_of(source)
    assert sum(len(batch.posts) for batch in batches) == 102
    assert [batch.gap for batch in batches if batch.gap] == [
        f"of the second {FIRST_TIME + 5} only 100 posts were shown: there may be more"
    ]


async def test_a_post_of_the_future_does_not_end_later_looks():
    """A wrong clock in the archive is not believed: its post is left out, and those after it are listed."""
    *posts, later = archived([1, 2, 3, 10])
    posts[1]["created_utc"] = 253_402_300_000
    async with asking(posts=posts) as (source, archive):
        assert ids(await posts_of(source)) == [posts[0]["id"], posts[2]["id"]]
        cursor = await last_cursor(source)
        archive.posts.append(later)
        assert ids(await posts_of(source, cursor)) == [later["id"]]


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("arctic-shift:r/EarthPorn", "arctic-shift:r/earthporn"),
        ("ARCTIC-SHIFT: /r/EarthPorn/", "arctic-shift:r/earthporn"),
        ("arctic-shift:u/Ansel-Adams", "arctic-shift:u/ansel-adams"),
        (
            "arctic-shift:r/pics?before=2024-06-01T00:00Z&after=1704067200",
            "arctic-shift:r/pics?after=2024-01-01&before=2024-06-01",
        ),
        ("arctic-shift:r/pics?after=1704067201", "arctic-shift:r/pics?after=1704067201"),
        (
            "arctic-shift:r/pics?after=2024-01-01T01:00+01:00",
            "arctic-shift:r/pics?after=2024-01-01",
        ),
    ],
)
def test_one_place_has_one_name(text, uri):
    """Whatever way it is written; what it is called parses as itself."""
    registry = SourceRegistry(source_tools())
    assert registry.parse(text).uri == uri
    assert registry.parse(uri).uri == uri


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "written arctic-shift:r/NAME"),
        ("EarthPorn", "written"),
        ("r/", "written"),
        ("r/a/b", "written"),
        ("r/pics&author=x", "written"),
        ("m/pics", "written"),
        ("r/all", "no subreddit of its own"),
        ("r/pics?sort=top", "after, before"),
        ("r/pics?after=2024", "after: '2024' is no time: write 2024-01-31 or seconds since 1970"),
        ("r/pics?after=tomorrow", "after: 'tomorrow' is no time"),
        ("r/pics?before=", "before: '' is no time"),
        ("r/pics?after=2024-06-02&before=2024-06-01", "after is later than before"),
        ("r/pics?after=2024-06-01&before=2024-06-01", "after is the same as before"),
    ],
)
def test_what_names_no_place_says_why(text, words):
    """One sentence, at the time when the source is added."""
    with pytest.raises(BadSource, match=words):
        ARCTIC_SHIFT.parse(f"arctic-shift:{text}", text, source_tools())
