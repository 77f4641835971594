from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from services.crawler.resolvers.resolution import NOTHING, Ask, AskKind, Images
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.imgur import IMGUR
from services.crawler.sources.imgur_api import IMGUR_API
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.api_server import DEEP, HTML, NO_OBJECT, Scripted, large
from tests.faithful.asking import registry_for
from tests.faithful.imgur_server import CLIENT_ID, Image, ImgurServer, Post, picture

REGISTRY = SourceRegistry(source_tools())


@asynccontextmanager
async def asking(text="imgur:gallery/hot", *, posts=None, client_id=CLIENT_ID):
    """A source and the Imgur that it asks."""
    async with ImgurServer() as imgur:
        imgur.posts = [picture()] if posts is None else posts
        async with registry_for(
            imgur,
            {IMGUR_API: imgur.origin},
            credentials=Credentials(imgur_client_id=client_id),
        ) as registry:
            yield registry.parse(text), imgur


def images_of(post):
    assert isinstance(post.images, Images)
    return [image.url.text for image in post.images.images]


def file_url(image, suffix="jpg"):
    return f"https://i.imgur.com/{image.image_id}.{suffix}"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("imgur:Gallery/Hot/", "imgur:gallery/hot"),
        ("imgur:gallery/hot?sort=time&window=day", "imgur:gallery/hot"),
        ("imgur:gallery/hot?sort=viral", "imgur:gallery/hot?sort=viral"),
        ("imgur:gallery/top?window=all", "imgur:gallery/top?window=all"),
        ("imgur:gallery/top?window=day", "imgur:gallery/top"),
        ("imgur:tag/LandScape", "imgur:tag/landscape"),
        ("imgur:user/Ann_B", "imgur:user/ann_b"),
        ("imgur:album/AbCdE12", "imgur:album/AbCdE12"),
        ("imgur:album/a-quiet-lake-AbCdE", "imgur:album/AbCdE"),
    ],
)
def test_one_name_for_each_place(text, uri):
    """Every spelling of a place is one source, and its name reads as itself."""
    assert REGISTRY.parse(text).uri == uri
    assert REGISTRY.parse(uri).uri == uri


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("imgur:", "imgur:tag/NAME"),
        ("imgur:landscape", "imgur:album/ID"),
        ("imgur:gallery/new", "hot, top and user"),
        ("imgur:gallery/top?sort=time", "there are: window"),
        ("imgur:gallery/hot?sort=best", "time, viral, top"),
        ("imgur:tag/", "letters, digits"),
        ("imgur:tag/a/b", "letters, digits"),
        ("imgur:user/../x", "letters, digits"),
        ("imgur:album/AbC", "5 or 7 letters"),
        ("imgur:album/AbCdE12?x=1", "it has no options"),
    ],
)
def test_what_is_no_source(text, words):
    """A text that names no place, or asks for what there is not, says why."""
    with pytest.raises(BadSource) as bad:
        REGISTRY.parse(text)
    assert words in str(bad.value)


async def test_a_post_says_all_that_imgur_says():
    """Title, author, page, time, community and facts; the original of its image."""
    found = picture(title="A  lake")
    async with asking(posts=[found]) as (source, imgur):
        [post] = await posts_of(source)
    assert images_of(post) == [f"https://i.imgur.com/{found.images[0].image_id}.jpg"]
    assert (post.title, post.author, post.licence) == ("A lake", "Ann", "")
    assert post.page_url == f"https://imgur.com/{found.post_id}"
    assert (post.post_id, post.time) == (found.post_id, 1_700_000_000.0)
    assert post.community == "imgur:user/ann"
    assert REGISTRY.parse(post.community).uri == post.community
    assert post.facts == {
        "account_url": "Ann", "topic": "No Topic", "views": 120, "points": 9, "in_most_viral": True,
        "tags": ["landscape"],
    }  # fmt: skip
    first = imgur.asked[0]
    assert first.path == "/3/gallery/hot/time/day/0"
    assert first.headers["authorization"] == f"Client-ID {CLIENT_ID}"
    assert first.query == {"mature": "true", "album_previews": "true"}


async def test_an_album_of_a_list_has_its_images():
    """One post with many images in their order, each with its own title; films and removed ones are left out."""
    images = [
        Image(title="one"),
        Image(type="image/png", description="two"),
        Image(type="video/mp4"),
    ]
    found = Post(images)
    gone = Post([Image(is_removed=True), Image(type="image/gif")])
    async with asking(posts=[found, gone]) as (source, _):
        post, other = await posts_of(source)
    assert images_of(post) == [file_url(images[0]), file_url(images[1], "png")]
    assert [image.title for image in post.images.images] == ["one", "two"]
    assert post.page_url == f"https://imgur.com/a/{found.post_id}"
    assert images_of(other) == [file_url(gone.images[1], "gif")]


async def test_an_album_with_more_than_a_list_shows_is_asked_for():
    """The other images come with the API's `album/ID/images`, as for a link to it."""
    found = Post([Image() for _ in range(4)])
    async with asking(posts=[found]) as (source, _):
        [post] = await posts_of(source)
    assert isinstance(post.images, Ask)
    assert post.images.kind is AskKind.IMGUR_API
    assert post.images.url.text == f"https://api.imgur.com/3/album/{found.post_id}/images"


@pytest.mark.parametrize(
    ("found", "over_18", "is_video"),
    [
        (picture(), False, False),
        (picture(nsfw=True), True, False),
        (picture(nsfw=None), False, False),
        (Post([Image(), Image(nsfw=True)]), True, False),
        (Post([Image(type="video/mp4")], is_album=False), False, True),
        (Post([Image(type="video/mp4"), Image(type="video/mp4")]), False, True),
        (Post([Image(type="video/mp4"), Image()]), False, False),
        (Post([Image(type="image/gif")], is_album=False), False, False),
        (Post([]), False, False),
    ],
)
async def test_flags(found, over_18, is_video):
    """Marked by the album or any of its images; a film if there is nothing else."""
    async with asking(posts=[found]) as (source, _):
        [post] = await posts_of(source)
    assert (post.flags.over_18, post.flags.is_video) == (over_18, is_video)
    assert not is_video or post.images == NOTHING


async def test_newest_first_down_to_what_is_known():
    """Pages until one is empty; a later look asks for one and lists what is new and some that are not."""
    async with asking(posts=[picture(title=f"{n}") for n in range(150)]) as (source, imgur):
        assert [post.title for post in await posts_of(source)] == [f"{n}" for n in range(150)]
        assert [asked.path[-1] for asked in imgur.asked] == ["0", "1", "2", "3"]
        cursor = await last_cursor(source)
        imgur.posts.insert(0, picture(title="new"))
        asked = len(imgur.asked)
        assert (await posts_of(source, cursor))[0].title == "new"
        assert len(imgur.asked) - asked == 1


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("imgur:gallery/top?window=week", "/3/gallery/top/viral/week/0"),
        ("imgur:gallery/hot?sort=viral", "/3/gallery/hot/viral/day/0"),
        ("imgur:gallery/user?sort=top&window=all", "/3/gallery/user/top/all/0"),
        ("imgur:tag/landscape?sort=top&window=year", "/3/gallery/t/landscape/top/year/0"),
    ],
)
async def test_the_best_are_listed_whole_each_time(text, path):
    """What is not in the order of time has no place to go on from."""
    async with asking(text, posts=[picture() for _ in range(130)]) as (source, imgur):
        assert len(await posts_of(source)) == 130
        assert imgur.asked[0].path == path
        assert await last_cursor(source) == ""


async def test_a_tag():
    """Its posts alone; it is their community."""
    async with asking("imgur:tag/lake", posts=[picture(), picture(tags=("lake",))]) as (
        source,
        imgur,
    ):
        [post] = await posts_of(source)
        assert imgur.asked[0].path == "/3/gallery/t/lake/time/day/0"
    assert post.community == source.uri == "imgur:tag/lake"


async def test_what_somebody_submitted():
    """Theirs alone."""
    async with asking("imgur:user/ann", posts=[picture(), picture(account=None)]) as (
        source,
        imgur,
    ):
        [post] = await posts_of(source)
        assert imgur.asked[0].path == "/3/account/ann/submissions/0/newest"
    assert post.author == "Ann"


async def test_one_album():
    """All its images with one request, in one post."""
    found = Post([Image() for _ in range(40)])
    async with asking(f"imgur:album/{found.post_id}", posts=[found]) as (source, imgur):
        [post] = await posts_of(source)
        assert len(imgur.asked) == 1
    assert images_of(post) == [file_url(image) for image in found.images]


async def test_pages_that_lead_round_in_circles_end():
    """An Imgur that shows its first page again and again is left."""
    for text in ("imgur:gallery/hot", "imgur:gallery/top"):
        async with asking(text, posts=[picture() for _ in range(70)]) as (source, imgur):
            imgur.loops = True
            assert len(await posts_of(source)) == 60
            assert len(imgur.asked) == 2


async def test_it_stops_before_the_credits_are_used_up():
    """What was listed stays listed; then the source rests until Imgur says that they come back, and asks nothing."""
    async with asking(posts=[picture() for _ in range(600)]) as (source, imgur):
        imgur.user_remaining = 13
        imgur.user_reset = int(time.time()) + 1_800
        listed = []
        with pytest.raises(SourceBlocked, match="credits") as blocked:
            async for batch in source.list_posts(""):
                listed += batch.posts
        assert len(listed) == 180
        assert blocked.value.reason is BlockReason.RATE_LIMITED
        assert 1_700 < blocked.value.retry_s <= 1_800
        assert imgur.user_remaining == 10
        with pytest.raises(SourceBlocked):
            await posts_of(source)
        assert imgur.user_remaining == 10
        source._api._rests_until = 0.0
        imgur.user_remaining = 500
        assert len(await posts_of(source)) == 600


async def test_the_client_s_credits_last_the_day():
    """They are all clients' together: an hour's rest leaves some for links."""
    async with asking(posts=[picture() for _ in range(600)]) as (source, imgur):
        imgur.client_remaining = 251
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
        assert len(imgur.asked) == 1
    assert 3_500 < blocked.value.retry_s <= 3_600


async def test_headers_that_say_nothing_stop_nothing():
    """Missing, empty and foolish numbers of credits are none."""
    async with asking(posts=[picture()]) as (source, imgur):
        for value in ("", "many", "-1", "9" * 30):
            imgur.user_remaining = imgur.client_remaining = 500
            body = json.dumps(
                {"data": [picture().model()], "success": True, "status": 200}
            ).encode()
            headers = {"X-RateLimit-UserRemaining": value, "X-RateLimit-UserReset": value}
            imgur.scripted.append(Scripted(body=body, headers=headers))
            asked = len(imgur.asked)
            assert len(await posts_of(source)) == 1
            assert len(imgur.asked) - asked == 2


async def test_without_a_client_nothing_is_asked():
    """The source is blocked and says which setting helps; the list of sources says it before."""
    async with asking(client_id="") as (source, imgur):
        with pytest.raises(SourceBlocked, match="LODESTONE_CRAWLER_IMGUR_CLIENT_ID") as blocked:
            await posts_of(source)
        assert blocked.value.reason is BlockReason.CREDENTIALS_MISSING
        assert imgur.asked == []
    assert "LODESTONE_CRAWLER_IMGUR_CLIENT_ID" in IMGUR.obstacle(source_tools())
    assert (
        IMGUR.obstacle(source_tools(credentials=Credentials(imgur_client_id="x"), has_contact=True))
        == ""
    )


async def test_a_refused_client_is_not_shown():
    """403 may be the client id's fault or the region's, which the sentence says; neither error nor log has the id."""
    async with asking(client_id="wrongwrong") as (source, imgur):
        with (
            capture_logs() as logs,
            pytest.raises(SourceBlocked, match="United Kingdom") as blocked,
        ):
            await posts_of(source)
        assert imgur.asked[0].headers["authorization"] == "Client-ID wrongwrong"
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.FORBIDDEN, None)
    assert "wrongwrong" not in f"{blocked.value} {blocked.value.__cause__} {logs}"


def error(status, message):
    data = {"error": message, "request": "/3/gallery", "method": "GET"}
    return json.dumps({"data": data, "success": False, "status": status}).encode()


@pytest.mark.parametrize(
    ("answer", "reason", "retry_s", "words"),
    [
        (Scripted(403, error(403, "x")), BlockReason.FORBIDDEN, None, "HTTP 403; Imgur refuses"),
        (Scripted(200, error(403, "Invalid client_id")), BlockReason.CREDENTIALS_REFUSED, None, "Invalid client_id"),
        (Scripted(200, error(401, "Authentication required")), BlockReason.CREDENTIALS_REFUSED, None, "401"),
        (Scripted(401, b"{}"), BlockReason.CREDENTIALS_REFUSED, None, "HTTP 401"),
        (
            Scripted(200, error(403, "Banned Country Attempt (GB)")),
            BlockReason.FORBIDDEN, None, "Banned Country Attempt (GB); it serves nobody where this machine is",
        ),
        (
            Scripted(200, error(400, "Content not viewable in your region")),
            BlockReason.FORBIDDEN, None, "in your region",
        ),
        (Scripted(200, error(403, "no")), BlockReason.FORBIDDEN, None, "United Kingdom"),
        (Scripted(451, b"x"), BlockReason.FORBIDDEN, None, "United Kingdom"),
        (
            Scripted(200, error(403, "Imgur is temporarily over capacity. Please try again later.")),
            BlockReason.RATE_LIMITED, 600.0, "over capacity",
        ),
        (Scripted(200, error(429, {"code": 429, "message": "Too many"})), BlockReason.RATE_LIMITED, 600.0, "Too many"),
        (Scripted(429, b"", headers={"Retry-After": "77"}), BlockReason.RATE_LIMITED, 77.0, "HTTP 429"),
        (HTML, None, None, "no JSON, but text/html"),
        (DEEP, None, None, "nested too deeply"),
        (NO_OBJECT, None, None, "no JSON object"),
        (Scripted(body=b"{}"), None, None, "Imgur says ?: no message"),
        (Scripted(body=b'{"success": true, "data": null}'), None, None, "no list"),
        (Scripted(body=b'{"success": "yes", "data": []}'), None, None, "no message"),
        (Scripted(500, b"x"), None, None, "HTTP 500"),
        (Scripted(404, error(404, "gone")), None, None, "HTTP 404"),
    ],
)  # fmt: skip
async def test_answers_that_are_none(answer, reason, retry_s, words):
    """What Imgur refuses is blocked, with the region's message where there is one; all else is one sentence."""
    async with asking() as (source, imgur):
        imgur.scripted.append(answer)
        with pytest.raises(SourceFailed) as failed:
            await posts_of(source)
    assert isinstance(failed.value, SourceBlocked) is (reason is not None)
    assert getattr(failed.value, "reason", None) is reason
    assert getattr(failed.value, "retry_s", None) == retry_s
    assert words in str(failed.value)
    assert CLIENT_ID not in str(failed.value)
    assert "\n" not in str(failed.value)


async def test_an_album_that_is_gone_fails():
    """404, or an answer that is no album."""
    async with asking("imgur:album/AbCdE12") as (source, imgur):
        with pytest.raises(SourceFailed, match="HTTP 404"):
            await posts_of(source)
        imgur.scripted.append(Scripted(body=b'{"success": true, "data": {"id": 7}}'))
        with pytest.raises(SourceFailed, match="no album"):
            await posts_of(source)


ITEMS = [
    7, None, [], {}, {"id": 7}, {"id": "x/../y"}, {"id": "toolong12"},
    {"id": "AbCdE", "images": 7, "is_album": "yes", "tags": 7, "datetime": "now", "account_url": []},
    {"id": "AbCdF", "images": [7, None, {"link": "https://evil.example/x.jpg", "type": "image/jpeg"}]},
    {"id": "AbCdG", "type": ["image/jpeg"], "link": 7, "nsfw": "yes", "images_count": True, "account_url": "a/b"},
    {"id": "AbCdH", "type": "image/jpeg", "link": "https://i.imgur.com/AbCdH.jpg", "datetime": 10**20, "tags": [7]},
]  # fmt: skip


async def test_nonsense_among_posts_harms_no_other():
    """Entries without an id are counted; wrong types leave out what they should have said."""
    async with asking(posts=[]) as (source, imgur):
        body = {"data": ITEMS, "success": True, "status": 200}
        imgur.scripted.append(Scripted(body=json.dumps(body).encode()))
        first, *_ = await batches_of(source)
    assert first.skipped_count == 7
    assert [len(images_of(post)) for post in first.posts] == [0, 0, 0, 1]
    assert not any(post.flags.over_18 for post in first.posts)


async def test_ten_megabytes_are_an_answer_like_any_other():
    """A huge title is cut to a line."""
    async with asking(posts=[]) as (source, imgur):
        start = b'{"success": true, "data": [{"id": "AbCdE", "title": "'
        imgur.scripted.append(large(start, b'"}]}'))
        [post] = await posts_of(source)
    assert len(post.title) == 300
