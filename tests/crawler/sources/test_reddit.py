from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from services.crawler.crawl.answering import Answering
from services.crawler.fetch.url import parse_url
from services.crawler.outcome import FetchFailed
from services.crawler.post_rules import PostGates, PostReason, PostRules
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.registry import resolve_or_ask
from services.crawler.resolvers.resolution import Images
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import (
    BadSource,
    BlockReason,
    SourceBlocked,
    SourceFailed,
)
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.reddit_posts import every_shape, gallery_post, link_post
from tests.faithful.reddit_server import CLIENT_SECRET, CREDENTIALS, RedditServer

PLACE = "r/earthporn/new"


@pytest.fixture
async def reddit():
    async with RedditServer() as server:
        yield server


@pytest.fixture
async def tools(reddit):
    """Tools whose fetcher may ask the server, with an application that it knows."""
    async with fetcher_for(reddit.port) as fetcher:
        yield tools_for(reddit, fetcher)


def tools_for(reddit, fetcher, credentials=CREDENTIALS):
    return source_tools(
        fetch_document=fetcher.fetch_document,
        fetch_page=fetcher.fetch_page,
        open_session=fetcher.open_session,
        api_base=reddit.api_base,
        credentials=credentials,
    )


def source(tools, text="reddit:r/EarthPorn"):
    return SourceRegistry(tools).parse(text)


def links(count, start=0):
    """Posts, newest first."""
    return [link_post(f"p{number}") for number in range(start + count - 1, start - 1, -1)]


@pytest.mark.parametrize(
    ("texts", "uri"),
    [
        (
            ("reddit:r/EarthPorn", "reddit:/r/earthporn/", "REDDIT: r/EARTHPORN"),
            "reddit:r/earthporn",
        ),
        (("reddit:r/pics+EarthPorn", "reddit:r/earthporn+pics+Pics"), "reddit:r/earthporn+pics"),
        (("reddit:r/all", "reddit:r/all?sort=new"), "reddit:r/all"),
        (("reddit:u/Hiker-1", "reddit:user/hiker-1"), "reddit:u/hiker-1"),
        (("reddit:m/Hiker/Lakes", "reddit:user/hiker/m/lakes"), "reddit:m/hiker/lakes"),
        (("reddit:r/pics?sort=top", "reddit:r/pics?time=day&sort=top"), "reddit:r/pics?sort=top"),
        (("reddit:r/pics?time=week&sort=top",), "reddit:r/pics?sort=top&time=week"),
        (("reddit:r/pics?sort=hot",), "reddit:r/pics?sort=hot"),
    ],
)
def test_one_place_has_one_name(texts, uri):
    """However it is written; its own name reads as itself."""
    for text in (*texts, uri):
        assert source(source_tools(), text).uri == uri


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("reddit:", "name a place"),
        ("reddit:EarthPorn", "name a place"),
        ("reddit:r/", "name a place"),
        ("reddit:r/a b", "name a place"),
        ("reddit:r/pics/comments/1abc", "name a place"),
        ("reddit:r/pics+", "name a place"),
        ("reddit:r/../../api/v1/me", "name a place"),
        ("reddit:m/hiker", "name a place"),
        ("reddit:r/pics?order=new", "sort, time"),
        ("reddit:r/pics?sort=best", "new, hot, top, rising"),
        ("reddit:r/pics?time=week", "with sort=top only"),
        ("reddit:r/pics?sort=top&time=ever", "hour, day"),
        ("reddit:u/hiker?sort=rising", "sort=rising is not available for a person"),
    ],
)
def test_what_is_no_place_is_said_so(text, words):
    """One clear error, which names the options that there are."""
    with pytest.raises(BadSource) as bad:
        source(source_tools(), text)
    assert words in bad.value.cause


async def test_every_shape_of_post(reddit, tools):
    """Galleries in order, texts, crossposts, films, removed ones, polls, null addresses: each stands for its images."""
    shapes = every_shape()
    reddit.places[PLACE] = [post for post, _ in shapes]
    posts = await posts_of(source(tools))
    assert len(posts) == len(shapes)
    for post, (raw, images) in zip(posts, shapes, strict=True):
        assert isinstance(post.images, Images)
        found = [image.url.text for image in post.images.images]
        assert found == images, raw["id"]
        assert post.post_id == raw["id"]
    lake = posts[0]
    assert (lake.author, lake.community) == ("hiker", "reddit:r/EarthPorn")
    assert lake.page_url == "https://www.reddit.com/r/EarthPorn/comments/1lake/lake/"
    assert lake.time == every_shape()[0][0]["created_utc"]
    assert posts[1].images.images[1].title == "second"
    assert posts[4].parents == ("reddit:r/EarthPorn",)


async def test_flags_turn_posts_away(reddit, tools):
    """Adult, film and removed posts are turned away by what the listing says; spoilers on demand."""
    reddit.places[PLACE] = [post for post, _ in every_shape()]
    posts = {post.post_id: post for post in await posts_of(source(tools))}
    gates = PostGates(PostRules(deny_spoilers=True))
    turned_away = {name: gates.turn_away(post) for name, post in posts.items()}
    assert {name: reason for name, reason in turned_away.items() if reason} == {
        "1film": PostReason.IS_VIDEO,
        "1crfil": PostReason.IS_VIDEO,
        "1del": PostReason.REMOVED,
        "1rem": PostReason.REMOVED,
        "1nsfw": PostReason.OVER_18,
        "1spoil": PostReason.SPOILER,
    }


async def test_asks_as_the_library_does(reddit, tools):
    """asyncpraw gets one token for all requests, under our name alone, 100 posts a page, unescaped."""
    reddit.places[PLACE] = links(250)
    posts = await posts_of(source(tools))
    assert [post.post_id for post in posts] == [f"p{number}" for number in range(249, -1, -1)]
    assert reddit.asked == [
        "r/earthporn/new?limit=100&raw_json=1",
        "r/earthporn/new?limit=100&after=t3_p150&raw_json=1",
        "r/earthporn/new?limit=100&after=t3_p50&raw_json=1",
    ]
    assert reddit.tokens == 1
    assert reddit.agents == {"Lodestone/0 (+https://example.org/bot)"}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("reddit:r/pics?sort=hot", "r/pics/hot?limit=100&raw_json=1"),
        ("reddit:r/pics?sort=rising", "r/pics/rising?limit=100&raw_json=1"),
        ("reddit:r/pics?sort=top&time=year", "r/pics/top?limit=100&t=year&raw_json=1"),
        ("reddit:u/hiker", "user/hiker/submitted?limit=100&sort=new&raw_json=1"),
        ("reddit:u/hiker?sort=top", "user/hiker/submitted?limit=100&t=day&sort=top&raw_json=1"),
        ("reddit:m/hiker/lakes", "user/hiker/m/lakes/new?limit=100&raw_json=1"),
        ("reddit:r/BB+aa", "r/aa+bb/new?limit=100&raw_json=1"),
        ("reddit:r/all", "r/all/new?limit=100&raw_json=1"),
    ],
)
async def test_each_form_has_its_path(reddit, tools, text, asked):
    """Communities, people and lists of communities are listed where the API has them."""
    reddit.places[asked.partition("?")[0]] = links(1)
    assert len(await posts_of(source(tools, text))) == 1
    assert reddit.asked == [asked]


async def test_a_second_look_lists_what_is_new(reddit, tools):
    """It stops 25 posts behind the first known one: some posts come late, and nothing is missed at the seam."""
    reddit.places[PLACE] = links(200)
    cursor = await last_cursor(source(tools))
    reddit.places[PLACE] = links(230)
    reddit.asked.clear()
    batches = await batches_of(source(tools), cursor)
    found = [post.post_id for batch in batches for post in batch.posts]
    assert found == [f"p{number}" for number in range(229, 199, -1)]
    assert len(reddit.asked) == 1
    assert not batches[-1].gap


async def test_more_new_posts_than_the_api_shows_are_a_gap(reddit, tools):
    """The API ends after about 1,000 posts; what may be missing behind them is said."""
    reddit.places[PLACE] = links(50)
    cursor = await last_cursor(source(tools))
    reddit.places[PLACE] = links(1_500, start=100)
    batches = await batches_of(source(tools), cursor)
    assert sum(len(batch.posts) for batch in batches) == 1_000
    assert "1,000 posts are new" in batches[-1].gap


async def test_ranked_orders_are_listed_whole_each_time(reddit, tools):
    """`top`, `hot` and `rising` have no cursor and no gap; each page is listed at every look."""
    reddit.places["r/pics/top"] = links(150)
    top = source(tools, "reddit:r/pics?sort=top")
    for _ in range(2):
        batches = await batches_of(top, "anything")
        assert [len(batch.posts) for batch in batches] == [100, 50]
        assert not any(batch.cursor or batch.gap for batch in batches)


@pytest.mark.parametrize("text", ["reddit:r/EarthPorn", "reddit:r/EarthPorn?sort=hot"])
async def test_a_listing_that_leads_round_in_circles_ends(reddit, tools, text):
    """The same `after` again and again: each post is listed once, and the log says so."""
    reddit.odd.extend([answers(listing(links(3), after="t3_p0"))] * 50)
    with capture_logs() as logs:
        posts = await posts_of(source(tools, text))
    assert len(posts) == 3
    assert len(reddit.asked) == 2
    assert [log["event"] for log in logs] == ["listing_loops"]


async def test_new_is_polled_every_five_seconds(tools):
    """As nomad did; ranked orders change more slowly."""
    assert source(tools).poll_s == 5.0
    assert source(tools, "reddit:r/pics?sort=hot").poll_s == 300.0


async def test_children_that_are_no_posts_are_counted(reddit, tools):
    """Comments, nulls, posts without an id or with hundreds of parents are skipped, and the rest is listed."""
    parent = link_post("deep")
    for _ in range(100):
        parent = link_post("deep", crosspost_parent_list=[parent])
    children = [
        {"kind": "t1", "data": link_post("1a")},
        {"kind": "t3", "data": None},
        {"kind": "t3", "data": link_post("1a") | {"id": None}},
        {"kind": "t3", "data": link_post("1a") | {"id": "../x"}},
        {"kind": "t3", "data": parent},
        None,
        7,
        {"kind": "t3", "data": link_post("good")},
    ]
    reddit.odd.append(answers({"kind": "Listing", "data": {"children": children, "after": 7}}))
    [batch] = await batches_of(source(tools))
    assert [post.post_id for post in batch.posts] == ["good"]
    assert batch.skipped_count == 7


async def test_without_an_application(reddit):
    """Nothing is asked; the block says which settings are missing and that new ones are hard to get."""
    async with fetcher_for(reddit.port) as fetcher:
        tools = tools_for(reddit, fetcher, Credentials(reddit_client_id="only-half"))
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source(tools))
    assert blocked.value.reason is BlockReason.CREDENTIALS_MISSING
    assert "LODESTONE_CRAWLER_REDDIT_CLIENT_ID" in blocked.value.cause
    assert not reddit.asked
    assert not reddit.tokens


async def test_a_refused_application(reddit):
    """A wrong secret is a block that says so and never shows the secret."""
    async with fetcher_for(reddit.port) as fetcher:
        wrong = Credentials(reddit_client_id="client-4711", reddit_client_secret="hunter2")
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source(tools_for(reddit, fetcher, wrong)))
    assert blocked.value.reason is BlockReason.CREDENTIALS_REFUSED
    assert "hunter2" not in f"{blocked.value!r} {blocked.value}"
    assert "LODESTONE_CRAWLER_REDDIT_CLIENT_ID" in blocked.value.cause
    assert "LODESTONE_CRAWLER_REDDIT_CLIENT_SECRET" in blocked.value.cause
    assert not reddit.asked


async def test_a_token_that_has_run_out_is_replaced(reddit, tools):
    """A 401 of the API leads to a new token and the same request again, once."""
    reddit.places[PLACE] = links(1)
    assert await posts_of(source(tools))
    reddit.token = "another-token"
    assert len(await posts_of(source(tools))) == 1
    assert reddit.tokens == 2


async def test_a_token_that_is_never_good_is_a_refusal(reddit, tools, no_waiting):
    """After its retries asyncpraw gives up, and the application counts as refused."""
    reddit.odd.extend([web_response(401)] * 10)
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(source(tools))
    assert blocked.value.reason is BlockReason.CREDENTIALS_REFUSED
    assert len(reddit.asked) <= 3


@pytest.fixture
def no_waiting(monkeypatch):
    """asyncpraw waits some seconds between its tries; not here."""
    monkeypatch.setattr("asyncprawcore.sessions.FiniteRetryStrategy._sleep_seconds", lambda _: None)


@pytest.mark.parametrize(
    ("headers", "retry_s"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"x-ratelimit-reset": "41"}, 41.0),
        ({"x-ratelimit-reset": "soon", "Retry-After": "later"}, 60.0),
        ({"x-ratelimit-reset": "1e300"}, 3_600.0),
        ({}, 60.0),
    ],
)
async def test_too_many_requests(reddit, tools, headers, retry_s):
    """A 429 is a block that says for how long."""
    reddit.odd.append(web_response(429, headers))
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(source(tools))
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, retry_s)


async def test_too_many_requests_for_tokens(reddit, tools):
    """The token endpoint's 429 is one as well."""
    reddit.odd_token.append(web_response(429, {"Retry-After": "5"}))
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(source(tools))
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, 5.0)


async def test_the_rate_limit_s_headers_are_honoured(reddit, tools, monkeypatch):
    """With nothing remaining, the next request waits until the window is reset, as asyncpraw counts it."""
    waits = []

    async def note(seconds):
        waits.append(seconds)

    monkeypatch.setattr("asyncprawcore.rate_limit.asyncio", SimpleNamespace(sleep=note))
    reddit.places[PLACE] = links(150)
    reddit.rate = {"remaining": "0.0", "used": "1000", "reset": "137"}
    assert len(await posts_of(source(tools))) == 150
    assert len(waits) == 1
    assert 135 < waits[0] <= 137


async def test_a_rate_limit_s_headers_that_make_no_sense(reddit, tools, monkeypatch):
    """Words, NaN and a window of years neither break the listing nor stop it for long."""
    waits = []

    async def note(seconds):
        waits.append(seconds)

    monkeypatch.setattr("asyncprawcore.rate_limit.asyncio", SimpleNamespace(sleep=note))
    reddit.places[PLACE] = links(150)
    for rate in (
        {"remaining": "many", "used": "nan", "reset": "-1"},
        {"remaining": "1"},
        {"remaining": "0", "used": "1e99", "reset": "1e99"},
    ):
        reddit.rate = rate
        assert len(await posts_of(source(tools))) == 150
    assert max(waits) <= 3_600


@pytest.mark.parametrize("status", [302, 404])
async def test_a_place_that_is_not_there(reddit, tools, status):
    """An unknown community leads to the search for one, a banned one is a 404: a failure, no block."""
    if status == 404:
        reddit.odd.append(web_response(404))
    with pytest.raises(SourceFailed, match="no such place") as failed:
        await posts_of(source(tools, "reddit:r/nowhere"))
    assert not isinstance(failed.value, SourceBlocked)


async def test_a_private_place(reddit, tools):
    """A 403 is a block until somebody acts."""
    reddit.odd.append(web_response(403))
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(source(tools))
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.FORBIDDEN, None)


@pytest.mark.parametrize(
    "odd",
    [
        {"status": 500},
        {"status": 503, "headers": {"Retry-After": "x"}},
        {"status": 400, "body": b'{"reason": null, "fields": []}'},
        {"body": b"<!doctype html><title>blocked by network security</title>"},
        {"body": b"[" * 10_000 + b"]" * 10_000},
        {"body": b'{"kind": "Listing", "data": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001},
        {"body": b" " * 10_000_001},
        {"body": b"null"},
        {"body": b"[]"},
        {"body": b'"Listing"'},
        {"body": b'{"kind": "t5"}'},
        {"body": b'{"kind": "Listing", "data": '},
        {"body": b"\xff\xfe\x00"},
        {"body": b""},
        {"body": b"1" * 5_000},
    ],
    ids=lambda odd: f"{odd.get('status', 200)}-{odd.get('body', b'')[:20]!r}",
)
async def test_an_answer_that_cannot_be_used_is_one_failure(reddit, tools, odd):
    """Errors, HTML with status 200, 10 MB, depth 10,000: one line, not blocked, and the next look works."""
    reddit.places[PLACE] = links(1)
    reddit.odd.append(lambda _request: web.Response(**odd))
    with pytest.raises(SourceFailed) as failed:
        await posts_of(source(tools))
    assert not isinstance(failed.value, SourceBlocked)
    assert "\n" not in str(failed.value)
    assert len(await posts_of(source(tools))) == 1


@pytest.mark.parametrize(
    "data", [None, [], "x", {"children": None}, {"children": {}}, {"children": [], "after": "../"}]
)
async def test_a_listing_without_posts_is_empty(reddit, tools, data):
    """Nulls and wrong types where the posts should be."""
    reddit.odd.append(answers({"kind": "Listing", "data": data}))
    [batch] = await batches_of(source(tools))
    assert not batch.posts


@pytest.mark.parametrize(
    "token",
    [
        "<html>",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"access_token": "a", "expires_in": "soon", "scope": "*"}',
        '{"access_token": "a", "expires_in": 1, "scope": null}',
        '{"access_token": "a\\r\\nX: y", "expires_in": 999, "scope": "*"}',
        "[" * 10_000,
    ],
)
async def test_a_token_s_answer_that_cannot_be_read(reddit, tools, token):
    """The token endpoint is trusted no more than the rest."""
    reddit.odd_token.append(lambda _request: web.Response(text=token))
    with pytest.raises(SourceFailed) as failed:
        await posts_of(source(tools))
    assert "\n" not in str(failed.value)


async def test_an_error_in_a_token_s_answer_is_a_refusal(reddit, tools):
    """Reddit says some errors with status 200."""
    reddit.odd_token.append(lambda _request: web.json_response({"error": "invalid_grant"}))
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(source(tools))
    assert blocked.value.reason is BlockReason.CREDENTIALS_REFUSED


async def test_a_redirect_takes_no_key_elsewhere(reddit, tools):
    """Neither the token's nor the API's redirects are followed: the other host is never asked."""
    async with RedditServer() as other:
        there = f"http://127.0.0.1:{other.port}/www/api/v1/access_token"
        reddit.odd_token.append(web_response(302, {"Location": there}))
        with pytest.raises(SourceFailed):
            await posts_of(source(tools))
        reddit.odd.append(web_response(307, {"Location": there}))
        with pytest.raises(SourceFailed):
            await posts_of(source(tools))
        assert not other.tokens
        assert not other.asked


async def test_the_guard_is_in_the_way(reddit):
    """An address that must not be asked is not asked: not for a token either."""
    async with fetcher_for() as fetcher:
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source(tools_for(reddit, fetcher)))
    assert blocked.value.reason is BlockReason.FORBIDDEN
    assert not reddit.tokens


async def test_settings_of_others_change_nothing(reddit, tools, tmp_path, monkeypatch):
    """A praw.ini in the folder or at home and asyncpraw's variables have no say in who is asked, and as whom."""
    monkeypatch.setattr("asyncpraw.config.Config.CONFIG", None)
    evil = "[DEFAULT]\noauth_url=http://evil.test\nreddit_url=http://evil.test\nrefresh_token=r\nusername=u\npassword=p\n"
    (tmp_path / "praw.ini").write_text(evil, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("praw_client_id", "praw_refresh_token", "praw_username", "praw_password"):
        monkeypatch.setenv(name, "evil")
    monkeypatch.setenv("praw_site", "evil")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    reddit.places[PLACE] = links(1)
    assert len(await posts_of(source(tools))) == 1
    assert reddit.tokens == 1
    monkeypatch.setattr("asyncpraw.config.Config.CONFIG", None)


async def test_all_sources_share_one_application(reddit, tools):
    """Two sources at once get one token and are listed whole, one request after the other."""
    reddit.places[PLACE], reddit.places["r/pics/new"] = links(150), links(150)
    found = await asyncio.gather(posts_of(source(tools)), posts_of(source(tools, "reddit:r/pics")))
    assert [len(posts) for posts in found] == [150, 150]
    assert reddit.tokens == 1


async def test_resolvers_ask_with_the_same_application(reddit, tools):
    """A link to a gallery becomes its images, with the token that the sources have."""
    reddit.places[PLACE] = [gallery_post("1gal", "mediab0000000", "mediaa0000000")]
    assert await posts_of(source(tools))
    link = resolve_or_ask(parse_url("https://www.reddit.com/gallery/1gal"))
    images = await follow(link, Answering(tools).ask)
    assert [image.url.path for image in images.images] == [
        "/mediab0000000.jpg",
        "/mediaa0000000.jpg",
    ]
    assert reddit.asked[-1] == "api/info?raw_json=1&id=t3_1gal"
    assert reddit.tokens == 1


async def test_resolvers_without_an_application_say_so(reddit):
    """A link to a post is then not known, which is no failure."""
    async with fetcher_for(reddit.port) as fetcher:
        tools = tools_for(reddit, fetcher, Credentials())
        link = resolve_or_ask(parse_url("https://redd.it/1gal"))
        images = await follow(link, Answering(tools).ask)
    assert not images.images
    assert "needs a key" in images.causes[0]
    assert not reddit.asked


async def test_resolvers_wait_while_reddit_is_away(reddit, tools):
    """A 429 or a 503 is no answer that a fallback may stand in for."""
    link = resolve_or_ask(parse_url("https://redd.it/1gal"))
    for status in (429, 503):
        reddit.odd.append(web_response(status))
        with pytest.raises(FetchFailed):
            await follow(link, Answering(tools).ask)


def test_what_it_needs_is_said_before_it_is_used():
    """The kinds that are available say which settings are missing."""
    obstacles = {
        kind.word: obstacle for kind, obstacle in SourceRegistry(source_tools()).available()
    }
    assert "REDDIT_CLIENT_SECRET" in obstacles["reddit"]
    known = SourceRegistry(source_tools(credentials=CREDENTIALS, has_contact=True)).available()
    assert {kind.word: obstacle for kind, obstacle in known}["reddit"] == ""
    assert CLIENT_SECRET not in repr(source_tools(credentials=CREDENTIALS))


def listing(posts, *, after=None):
    children = [{"kind": "t3", "data": post} for post in posts]
    return {"kind": "Listing", "data": {"after": after, "children": children}}


def answers(body):
    """Makes a response each time: one can be sent only once."""
    return lambda _request: web.Response(
        body=json.dumps(body).encode(), content_type="application/json"
    )


def web_response(status, headers=None):
    return lambda _request: web.json_response({"error": status}, status=status, headers=headers)
