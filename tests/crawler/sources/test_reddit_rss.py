from __future__ import annotations

import asyncio
from itertools import pairwise
from xml.sax.saxutils import escape

import pytest
from aiohttp import web

from services.crawler.crawl.answering import Answering
from services.crawler.post_rules import PostGates, PostReason, PostRules
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.resolution import Ask, AskKind, Images
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.reddit_place import read_place
from services.crawler.sources.reddit_rss import RedditFeedSource
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.reddit_posts import (
    crosspost,
    gallery_post,
    link_post,
    text_post,
    video_post,
)
from tests.faithful.reddit_server import CREDENTIALS, RedditServer, feed_of

PLACE = "r/earthporn/new"
TOKEN = Credentials(reddit_feed_user="ada", reddit_feed_token="feed-token-1")


@pytest.fixture
async def reddit():
    async with RedditServer() as server:
        yield server


@pytest.fixture
async def fetcher(reddit):
    async with fetcher_for(reddit.port) as found:
        yield found


def tools_for(reddit, fetcher, credentials=Credentials()):
    return source_tools(
        fetch_document=fetcher.fetch_document,
        open_session=fetcher.open_session,
        api_base=reddit.api_base,
        credentials=credentials,
    )


def source_for(tools, text="r/earthporn", gap_s=0.001):
    return RedditFeedSource(read_place("", text), tools, gap_s=gap_s)


@pytest.fixture
def source(reddit, fetcher):
    return source_for(tools_for(reddit, fetcher))


def links(count, start=0):
    return [link_post(f"p{number}") for number in range(start + count - 1, start - 1, -1)]


def test_one_place_has_one_name():
    """As of `reddit:`; lists of communities have no feed, and there are no options."""
    parse = SourceRegistry(source_tools()).parse
    for text in ("reddit-rss:r/EarthPorn", "Reddit-RSS:/r/earthporn/"):
        assert parse(text).uri == "reddit-rss:r/earthporn"
    assert parse("reddit-rss:r/B2+a2").uri == "reddit-rss:r/a2+b2"
    assert parse("reddit-rss:user/Ada").uri == "reddit-rss:u/ada"
    for text in ("reddit-rss:m/ada/lakes", "reddit-rss:EarthPorn", "reddit-rss:r/pics?sort=top"):
        with pytest.raises(BadSource):
            parse(text)


async def test_what_an_entry_says(reddit, source):
    """Title, author, time, page, community and the image that it links to, not its thumbnail."""
    reddit.places[PLACE] = [link_post("1lake")]
    [post] = await posts_of(source)
    assert isinstance(post.images, Images)
    assert [image.url.text for image in post.images.images] == [
        "https://i.redd.it/1lakepic00000.jpg"
    ]
    assert (post.post_id, post.author, post.community) == ("1lake", "hiker", "reddit:r/EarthPorn")
    assert post.title == "Lake 1lake [OC] [6000x4000]"
    assert post.page_url == "https://www.reddit.com/r/EarthPorn/comments/1lake/lake/"
    assert post.time == 1_795_330_800.0


async def test_texts_films_and_crossposts(reddit, source):
    """Images inside a text, no still of a film, and the API's word on what a crosspost leads to."""
    shown = '<a href="https://preview.redd.it/mediac0000000.jpg?width=900&amp;s=0a">seen</a>'
    text = text_post("1text")
    reddit.places[PLACE] = [
        text,
        video_post("1film"),
        crosspost("1cross", link_post("1lake")),
        text_post("1bare"),
    ]
    feed = feed_of(reddit.places[PLACE], place=PLACE)
    seen = feed.replace(escape("<p></p>"), escape(f"<p>{shown}</p>"), 1)
    reddit.odd.append(lambda _request: web.Response(text=seen))
    posts = {post.post_id: post for post in await posts_of(source)}
    assert [image.url.text for image in posts["1text"].images.images] == [
        "https://i.redd.it/mediac0000000.jpg"
    ]
    assert PostGates(PostRules()).turn_away(posts["1film"]) is PostReason.IS_VIDEO
    assert isinstance(posts["1cross"].images, Ask)
    assert posts["1cross"].images.url.text.endswith("id=t3_1lake")


async def test_a_gallery_is_asked_of_the_api(reddit, fetcher):
    """With an application all its images; without one the first, as an original."""
    reddit.places[PLACE] = [gallery_post("1gal", "mediab0000000", "mediaa0000000")]
    for credentials, paths in (
        (CREDENTIALS, ["/mediab0000000.jpg", "/mediaa0000000.jpg"]),
        (Credentials(), ["/1galpic00000.jpg"]),
    ):
        tools = tools_for(reddit, fetcher, credentials)
        [post] = await posts_of(source_for(tools))
        assert isinstance(post.images, Ask)
        assert post.images.kind is AskKind.REDDIT_API
        images = await follow(post.images, Answering(tools).ask)
        assert [image.url.path for image in images.images] == paths
        assert images.is_best is (credentials is CREDENTIALS)


async def test_a_gallery_that_the_api_hides_has_no_images(reddit, fetcher):
    """What the API says is for adults is not shown by its copy instead."""
    reddit.places[PLACE] = [gallery_post("1gal", "mediab0000000", over_18=True)]
    tools = tools_for(reddit, fetcher, CREDENTIALS)
    [post] = await posts_of(source_for(tools))
    assert not (await follow(post.images, Answering(tools).ask)).images


async def test_pages_of_a_hundred(reddit, source):
    """The last entry of a page leads to the next, down to what the last look had; then an overlap."""
    reddit.places[PLACE] = links(230)
    posts = await posts_of(source)
    assert [post.post_id for post in posts] == [f"p{number}" for number in range(229, -1, -1)]
    assert reddit.asked == [
        "r/earthporn/new/.rss?limit=100",
        "r/earthporn/new/.rss?limit=100&after=t3_p130",
        "r/earthporn/new/.rss?limit=100&after=t3_p30",
        "r/earthporn/new/.rss?limit=100&after=t3_p0",
    ]
    cursor = await last_cursor(source)
    reddit.places[PLACE] = links(240)
    reddit.asked.clear()
    batches = await batches_of(source, cursor)
    assert sum(len(batch.posts) for batch in batches) == 10
    assert len(reddit.asked) == 1
    assert not batches[-1].gap


async def test_a_gap_is_noticed(reddit, source):
    """More new posts than the feed shows."""
    reddit.places[PLACE] = links(30)
    cursor = await last_cursor(source)
    reddit.places[PLACE] = links(30, start=500)
    assert "some between them" in (await batches_of(source, cursor))[-1].gap


async def test_all_sources_together_keep_the_gap(reddit, fetcher):
    """Two sources at once ask one after the other, with the gap between them."""
    times = []

    def note(_request):
        times.append(asyncio.get_running_loop().time())
        return web.Response(text='<feed xmlns="http://www.w3.org/2005/Atom"/>')

    reddit.odd.extend([note] * 3)
    tools = tools_for(reddit, fetcher)
    places = ("r/aa", "r/bb", "r/cc")
    await asyncio.gather(*(posts_of(source_for(tools, place, gap_s=0.2)) for place in places))
    assert len(times) == 3
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.19


def test_a_minute_without_a_token():
    """As Reddit wants it since June 2026; with the token of a person's feeds more often."""
    plain = SourceRegistry(source_tools()).parse("reddit-rss:r/pics")
    assert plain.poll_s >= 90
    assert plain._request("").gap_s > 60
    assert not plain._request("").secret_query
    known = SourceRegistry(source_tools(credentials=TOKEN)).parse("reddit-rss:r/pics")
    assert known.poll_s < plain.poll_s
    assert known._request("").gap_s < plain._request("").gap_s


async def test_the_token_is_sent_and_never_shown(reddit, fetcher):
    """It stands behind the query, and in no error."""
    reddit.places["user/hiker/submitted"] = links(1)
    tools = tools_for(reddit, fetcher, TOKEN)
    assert len(await posts_of(source_for(tools, "u/hiker"))) == 1
    assert reddit.asked == [
        "user/hiker/submitted/.rss?limit=100&feed=feed-token-1&user=ada",
    ]
    with pytest.raises(SourceFailed) as failed:
        await posts_of(source_for(tools, "r/nowhere"))
    assert "no such place" in failed.value.cause
    error = failed.value
    while error is not None:
        assert "feed-token-1" not in f"{error!r}{error}"
        error = error.__cause__
    assert "feed-token-1" not in repr(tools)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(429, BlockReason.RATE_LIMITED), (403, BlockReason.FORBIDDEN)],
)
async def test_refusals_are_blocks(reddit, source, status, reason):
    """A 429 says for how long; a 403 (its network security) needs a person."""
    reddit.odd.append(lambda _request: web.Response(status=status, headers={"Retry-After": "1"}))
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(source)
    assert blocked.value.reason is reason
    assert blocked.value.retry_s == (1.0 if status == 429 else None)


@pytest.mark.parametrize("body", ["<html><body>blocked</body></html>", "", "{}", "<feed>" * 10_000])
async def test_an_answer_that_is_no_feed(reddit, source, body):
    """HTML with status 200, nothing, JSON, depth: one failure, or nothing listed."""
    reddit.odd.append(lambda _request: web.Response(text=body))
    if body.startswith("<feed>"):
        assert not await posts_of(source)
        return
    with pytest.raises(SourceFailed, match="no RSS or Atom feed"):
        await posts_of(source)


async def test_entries_that_are_no_posts_are_counted(reddit, source):
    """Comments, accounts and ids that are none."""
    ids = ("t1_abc", "t3_../x", "", "t3_good")
    entries = "".join(f"<entry><id>{name}</id><title>x</title></entry>" for name in ids)
    text = f'<feed xmlns="http://www.w3.org/2005/Atom">{entries}</feed>'
    reddit.odd.append(lambda _request: web.Response(text=text))
    [batch] = await batches_of(source)
    assert [post.post_id for post in batch.posts] == ["good"]
    assert batch.skipped_count == 3
