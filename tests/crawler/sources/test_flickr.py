from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from services.crawler.licence import licence_id
from services.crawler.resolvers.resolution import NOTHING, Ask, AskKind, Images
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.flickr import FLICKR
from services.crawler.sources.flickr_api import FLICKR_API, FlickrApi
from services.crawler.sources.flickr_photo import LICENCES
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.api_server import DEEP, HTML, NO_OBJECT, Scripted, large
from tests.faithful.asking import registry_for
from tests.faithful.flickr_server import ANN, KEY, FlickrServer, Photo, fail

REGISTRY = SourceRegistry(source_tools())
GROUP = "34427469792@N01"
DAY = 86_400
START = 1_700_006_400  # 2023-11-15


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    """Requests follow each other at once."""
    monkeypatch.setattr(FlickrApi, "gap_s", 0.0)


@asynccontextmanager
async def asking(text="flickr:search/lake", *, photos=None, key=KEY, **changed):
    """A source and the Flickr that it asks."""
    async with FlickrServer() as flickr:
        flickr.photos = [Photo()] if photos is None else photos
        async with registry_for(
            flickr, {FLICKR_API: flickr.origin}, credentials=Credentials(flickr_key=key), **changed
        ) as registry:
            yield registry.parse(text), flickr


def images_of(post):
    assert isinstance(post.images, Images)
    return [image.url.text.rpartition("_")[2].removesuffix(".jpg") for image in post.images.images]


def days(count, **changed):
    return [Photo(title=f"Lake {n}", date=START + n * DAY, **changed) for n in range(count)]


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("flickr:search/mountain  lake ", "flickr:search/mountain lake"),
        ("flickr:Search/mountain%20lake?sort=newest", "flickr:search/mountain lake"),
        ("flickr:search/lake?after=2020-01-01&licence=cc-by", "flickr:search/lake?licence=cc-by&after=2020-01-01"),
        ("flickr:search/why%3F?sort=relevant", "flickr:search/why%3F?sort=relevant"),
        ("flickr:tag/Lake, blue Water", "flickr:tag/lake,bluewater"),
        ("flickr:group/34427469792@n01", f"flickr:group/{GROUP}"),
        ("flickr:group/Central/", "flickr:group/central"),
        ("flickr:user/Ann", "flickr:user/ann"),
        (f"flickr:user/{ANN}?before=2024-01-01", f"flickr:user/{ANN}?before=2024-01-01"),
    ],
)  # fmt: skip
def test_one_name_for_each_place(text, uri):
    """Every spelling of a place is one source, and its name reads as itself."""
    assert REGISTRY.parse(text).uri == uri
    assert REGISTRY.parse(uri).uri == uri


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flickr:", "flickr:search/WORDS"),
        ("flickr:lake", "flickr:tag/TAG"),
        ("flickr:search/", "nothing to search for"),
        ("flickr:tag/ , ", "names no tag"),
        ("flickr:user/a b", "neither an id"),
        ("flickr:group/", "neither an id"),
        ("flickr:group/x?sort=newest", "it has no options"),
        ("flickr:user/x?sort=newest", "there are: licence, after, before"),
        ("flickr:search/x?sort=best", "newest, interesting, relevant"),
        ("flickr:search/x?licence=mit", "no photos under mit"),
        ("flickr:search/x?after=yesterday", "after: 'yesterday' is no day: write 2024-01-31"),
        ("flickr:user/x?before=", "before: '' is no day"),
        ("flickr:search/x?after=2020-13-01", "'2020-13-01' is no day"),
        ("flickr:search/x?after=2020-01-02&before=2020-01-02", "after is the same as before"),
        ("flickr:search/x?after=2020-01-02&sort=relevant", "leave `sort` out"),
    ],
)
def test_what_is_no_source(text, words):
    """A text that names no place, or asks for what there is not, says why."""
    with pytest.raises(BadSource) as bad:
        REGISTRY.parse(text)
    assert words in str(bad.value)


async def test_a_post_says_all_that_flickr_says():
    """Licence, author, title, page, time, community and facts; the best size straight out of the list."""
    photo = Photo(title="A  lake", tags="lake water")
    async with asking(photos=[photo]) as (source, flickr):
        [post] = await posts_of(source)
    assert images_of(post) == ["o"]
    assert (post.title, post.author, post.licence) == ("A lake", "Ann", "CC BY 2.0")
    assert post.page_url == f"https://www.flickr.com/photos/ann/{photo.photo_id}/"
    assert (post.post_id, post.time) == (photo.photo_id, 1_700_000_000.0)
    assert post.community == f"flickr:user/{ANN}"
    assert REGISTRY.parse(post.community).uri == post.community
    assert post.facts == {"owner": ANN, "license": "4", "tags": "lake water"}
    [asked] = flickr.asked
    assert asked.query["api_key"] == KEY
    assert (asked.query["media"], asked.query["safe_search"]) == ("photos", "1")


@pytest.mark.parametrize(
    ("photo", "letter"),
    [
        (Photo(has_original=False), "3k"),
        (Photo(has_original=False, width=9_000, height=6_000), "6k"),
        (Photo(width=10_000, height=5_001), "6k"),
        (Photo(width=10_000, height=5_000), "o"),
        (Photo(has_original=False, width=1_100, height=900), "l"),
    ],
)
async def test_the_largest_size_that_is_not_too_large(photo, letter):
    """The original if it is shown and within the limit of pixels, else the next size below."""
    async with asking(photos=[photo]) as (source, _):
        [post] = await posts_of(source)
    assert images_of(post) == [letter]


async def test_without_sizes_the_api_is_asked_for_them():
    """A photo whose list entry names no size has `flickr.photos.getSizes` ahead of it."""
    async with asking(photos=[Photo(has_sizes=False)]) as (source, _):
        [post] = await posts_of(source)
    assert isinstance(post.images, Ask)
    assert post.images.kind is AskKind.FLICKR_API
    assert f"getSizes&format=json&nojsoncallback=1&photo_id={post.post_id}" in post.images.url.text


async def test_a_video_is_flagged():
    """It has no images."""
    async with asking(photos=[Photo(media="video")]) as (source, _):
        [post] = await posts_of(source)
    assert post.flags.is_video
    assert post.images == NOTHING


async def test_every_licence_of_the_table_has_one_form():
    """The ids of `flickr.photos.licenses.getInfo`; one that came later is shown as its number."""
    photos = [Photo(license=number) for number in [*LICENCES, "99"]]
    async with asking(photos=photos) as (source, _):
        posts = await posts_of(source)
    stated = [licence_id(post.licence) for post in sorted(posts, key=lambda post: post.post_id)]
    assert stated == [
        "all-rights-reserved", "cc-by-nc-sa-2.0", "cc-by-nc-2.0", "cc-by-nc-nd-2.0", "cc-by-2.0", "cc-by-sa-2.0",
        "cc-by-nd-2.0", "no-known-copyright-restrictions", "united-states-government-work", "cc0-1.0", "pd",
        "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0",
        "flickr-licence-99",
    ]  # fmt: skip


async def test_only_some_licences_are_asked_for():
    """Names become Flickr's numbers; a name without its version is all of them."""
    photos = [Photo(license=number) for number in LICENCES]
    async with asking("flickr:tag/lake?licence=cc-by,cc0", photos=photos) as (source, flickr):
        posts = await posts_of(source)
    assert flickr.asked[0].query["license"] == "4,9,11"
    assert {post.licence for post in posts} == {"CC BY 2.0", "CC0 1.0", "CC BY 4.0"}


async def test_tags_must_all_be_there():
    """Two tags are both asked for."""
    photos = [Photo(title="both", tags="lake blue"), Photo(title="one", tags="lake")]
    async with asking("flickr:tag/lake,blue", photos=photos) as (source, _):
        assert [post.title for post in await posts_of(source)] == ["both"]


async def test_newest_first_down_to_what_is_known():
    """A later look asks for one page and lists what is new and some that are not."""
    async with asking(photos=days(1_200)) as (source, flickr):
        titles = [post.title for post in await posts_of(source)]
        assert titles == [f"Lake {number}" for number in reversed(range(1_200))]
        cursor = await last_cursor(source)
        flickr.photos.append(Photo(title="New lake", date=START + 1_200 * DAY))
        asked = len(flickr.asked)
        assert (await posts_of(source, cursor))[0].title == "New lake"
        assert len(flickr.asked) - asked == 1


async def test_behind_4000_results_the_search_goes_on_by_time():
    """Flickr shows the first 4,000 only: the next search asks for what was posted until the last of them."""
    async with asking(photos=days(9_300)) as (source, flickr):
        posts = await posts_of(source)
    assert len({post.post_id for post in posts}) == len(posts) == 9_300
    until = {asked.query.get("max_upload_date") for asked in flickr.asked}
    assert until == {None, str(START + 5_300 * DAY), str(START + 1_301 * DAY)}
    assert max(int(asked.query["page"]) for asked in flickr.asked) == 8


async def test_between_two_days_the_oldest_come_first():
    """A backfill goes on where it was, and ends before the second day."""
    text = "flickr:search/lake?after=2023-11-16&before=2027-01-01"
    async with asking(text, photos=days(1_500)) as (source, flickr):
        batches = await batches_of(source)
        posts = [post for batch in batches for post in batch.posts]
        assert [post.title for post in posts] == [f"Lake {number}" for number in range(1, 1_143)]
        rest = await posts_of(source, batches[0].cursor)
        assert [post.title for post in rest] == [f"Lake {number}" for number in range(501, 1_143)]
        assert {asked.query["sort"] for asked in flickr.asked} == {"date-posted-asc"}


@pytest.mark.parametrize("sort", ["interesting", "relevant"])
async def test_the_best_are_all_that_the_search_shows(sort):
    """Each look lists the first 4,000."""
    async with asking(f"flickr:search/lake?sort={sort}", photos=days(4_700)) as (source, flickr):
        assert len(await posts_of(source)) == 4_000
        assert await last_cursor(source) == ""
    async with asking(f"flickr:search/lake?sort={sort}", photos=days(501)) as (source, flickr):
        assert len(await posts_of(source)) == 501
        assert len(flickr.asked) == 2


@pytest.mark.parametrize("name", [GROUP, "central"])
async def test_a_group_by_id_or_path(name):
    """The pool's photos, whose community is the group; its path is looked up once."""
    async with asking(f"flickr:group/{name}") as (source, flickr):
        flickr.paths["central"] = GROUP
        flickr.groups[GROUP] = days(700)[::-1]
        posts = await posts_of(source)
        assert len(posts) == 700
        assert {post.community for post in posts} == {f"flickr:group/{GROUP}"}
        assert posts[0].facts["dateadded"] == str(int(posts[0].time or 0) + 60)
        methods = [asked.query["method"].rpartition(".")[2] for asked in flickr.asked]
        assert methods == ["lookupGroup"] * (name == "central") + ["getPhotos"] * 2


@pytest.mark.parametrize("name", [ANN, "ann"])
async def test_somebody_by_id_or_path(name):
    """Their photos alone."""
    photos = [Photo(), Photo(owner="5@N01", title="x")]
    async with asking(f"flickr:user/{name}", photos=photos) as (source, _):
        [post] = await posts_of(source)
    assert post.community == f"flickr:user/{ANN}"


async def test_pages_that_lead_round_in_circles_end():
    """A Flickr that shows its first page again and again is left, with a warning."""
    async with asking(photos=days(1_200)) as (source, flickr):
        flickr.loops = True
        with capture_logs() as logs:
            assert len(await posts_of(source)) == 500
        assert len(flickr.asked) == 2
    assert "listing_loops" in [log["event"] for log in logs]


async def test_without_a_key_nothing_is_asked():
    """The source is blocked and says which setting helps; the list of sources says it before."""
    async with asking(key="") as (source, flickr):
        with pytest.raises(SourceBlocked, match="LODESTONE_CRAWLER_FLICKR_KEY") as blocked:
            await posts_of(source)
        assert blocked.value.reason is BlockReason.CREDENTIALS_MISSING
        assert flickr.asked == []
    assert "LODESTONE_CRAWLER_FLICKR_KEY" in FLICKR.obstacle(source_tools())
    assert (
        FLICKR.obstacle(source_tools(credentials=Credentials(flickr_key="x"), has_contact=True))
        == ""
    )


async def test_a_refused_key_is_not_shown():
    """Code 100 is the key's fault; neither the error nor the log has it."""
    async with asking(key="wrongwrong&x=1") as (source, flickr):
        with capture_logs() as logs, pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
        assert flickr.asked[0].query["api_key"] == "wrongwrong&x=1"
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.CREDENTIALS_REFUSED, None)
    assert "Invalid API Key" in blocked.value.cause
    assert "wrongwrong" not in f"{blocked.value} {blocked.value.__cause__} {logs}"


@pytest.mark.parametrize(
    ("text", "kind", "reason", "words"),
    [
        (f"flickr:group/{GROUP}", SourceFailed, None, "not there: Flickr says 1: Group not found"),
        ("flickr:group/9@N01", SourceFailed, None, "neither an id"),
        ("flickr:group/9999@N01", SourceBlocked, BlockReason.FORBIDDEN, "permission"),
        ("flickr:group/nobody", SourceFailed, None, "Group not found"),
        ("flickr:user/nobody", SourceFailed, None, "User not found"),
        ("flickr:user/9999@N01", SourceFailed, None, "Flickr says 2: Unknown user"),
    ],
)
async def test_places_that_are_not_there(text, kind, reason, words):
    """What Flickr does not have, or does not show us, is said in its words."""
    if "neither" in words:
        with pytest.raises(BadSource, match="neither an id"):
            REGISTRY.parse(text)
        return
    async with asking(text) as (source, flickr):
        flickr.private_groups = {"9999@N01"}
        with pytest.raises(SourceFailed) as failed:
            await posts_of(source)
    assert type(failed.value) is kind
    assert getattr(failed.value, "reason", None) is reason
    assert words in str(failed.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTML, "no JSON, but text/html"),
        (DEEP, "nested too deeply"),
        (NO_OBJECT, "no JSON object"),
        (Scripted(body=b"{}"), "Flickr says ?: no message"),
        (Scripted(body=b'{"stat": "fail", "code": "1", "message": ["x"]}'), "no message"),
        (Scripted(body=b'{"stat": "ok", "photos": null}'), "names no photos"),
        (Scripted(body=fail(105, "Service currently unavailable").body), "105: Service currently unavailable"),
        (Scripted(body=fail(10, "Sorry").body), "10: Sorry"),
        (Scripted(500, b"x"), "HTTP 500"),
    ],
)  # fmt: skip
async def test_answers_that_are_none(answer, words):
    """Pages of HTML, errors and nonsense are one sentence each, without the key."""
    async with asking() as (source, flickr):
        flickr.scripted.append(answer)
        with pytest.raises(SourceFailed) as failed:
            await posts_of(source)
    assert type(failed.value) is SourceFailed
    assert words in str(failed.value)
    assert KEY not in str(failed.value)
    assert "\n" not in str(failed.value)


async def test_too_many_requests_are_waited_for():
    """429 says for how long."""
    async with asking() as (source, flickr):
        flickr.scripted.append(Scripted(429, b"", headers={"Retry-After": "90"}))
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, 90.0)


async def test_requests_keep_their_distance(monkeypatch):
    """3,600 an hour are what a key may send: a second lies between those of all sources together."""
    monkeypatch.undo()
    assert FlickrApi.gap_s == 1.0
    monkeypatch.setattr(FlickrApi, "gap_s", 0.1)
    async with asking(photos=days(501)) as (source, flickr):
        await asyncio.gather(posts_of(source), posts_of(source))
        times = [asked.time for asked in flickr.asked]
    assert len(times) == 4
    assert all(later - earlier > 0.09 for earlier, later in itertools.pairwise(times))


ENTRIES = [
    7, None, [], {}, {"id": 7}, {"id": "x"}, {"id": "9" * 30},
    {"id": "1", "owner": 7, "title": [], "license": [], "dateupload": {}, "url_o": 7, "tags": 9},
    {"id": "2", "owner": "a/../b", "url_o": "https://evil.example/x.jpg", "license": "4\n"},
    {"id": "3", "dateupload": "9" * 40, "pathalias": "x" * 9_000, "media": "photo"},
    {"id": "4", "url_k": "https://live.staticflickr.com/1/4_0123456789_k.jpg", "width_k": "wide", "height_k": -1},
]  # fmt: skip


async def test_nonsense_among_photos_harms_no_other():
    """Entries without an id are counted; wrong types leave out what they should have said."""
    async with asking() as (source, flickr):
        body = {"stat": "ok", "photos": {"pages": "many", "photo": ENTRIES}}
        flickr.scripted.append(Scripted(body=json.dumps(body).encode()))
        [batch] = await batches_of(source)
    assert batch.skipped_count == 7
    assert [post.post_id for post in batch.posts] == ["1", "2", "3", "4"]
    listed = [post for post in batch.posts if isinstance(post.images, Images)]
    assert [len(post.images.images) for post in listed] == [0, 0, 0, 1]


async def test_ten_megabytes_are_an_answer_like_any_other():
    """A huge title is cut to a line."""
    async with asking() as (source, flickr):
        start = b'{"stat": "ok", "photos": {"pages": 1, "photo": [{"id": "1", "title": "'
        flickr.scripted.append(large(start, b'"}]}}'))
        [post] = await posts_of(source)
    assert len(post.title) == 300
