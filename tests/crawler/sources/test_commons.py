from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from services.crawler.resolvers.resolution import NOTHING, Images
from services.crawler.sources.commons import COMMONS_API
from services.crawler.sources.commons_cursor import ShelfCursor
from services.crawler.sources.mediawiki import MediaWiki
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.api_server import DEEP, HTML, NO_OBJECT, Scripted, large
from tests.faithful.asking import registry_for
from tests.faithful.commons_server import CommonsServer, WikiFile, maxlag, rate_limited

LAKES = "Category:Lakes"
REGISTRY = SourceRegistry(source_tools())


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    """Requests follow each other at once."""
    monkeypatch.setattr(MediaWiki, "gap_s", 0.0)


def lakes(count, **changed):
    return [WikiFile(f"Lake {number:03}.jpg", added=number, **changed) for number in range(count)]


@asynccontextmanager
async def asking(text="commons:Category:Lakes", *, files=None, **changed):
    """A source and the wiki that it asks, whose category of lakes has these files."""
    async with CommonsServer() as wiki:
        wiki.categories[LAKES] = lakes(3) if files is None else files
        async with registry_for(wiki, {COMMONS_API: wiki.api}, **changed) as registry:
            yield registry.parse(text), wiki


def names(posts):
    return sorted(post.title for post in posts)


def images_of(post):
    assert isinstance(post.images, Images)
    return [image.url.path for image in post.images.images]


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("commons:Category:Lakes", "commons:Category:Lakes"),
        ("commons:category:lakes of_ Iceland ", "commons:Category:Lakes_of_Iceland"),
        ("COMMONS:Category:Lakes?depth=0", "commons:Category:Lakes"),
        ("commons:Category:Lakes?width=1920&depth=2", "commons:Category:Lakes?depth=2&width=1920"),
        ("commons:Category:What%3F", "commons:Category:What%3F"),
        ("commons:Category:100%", "commons:Category:100%25"),
        ("commons:Category:Z\u0075\u0308rich", "commons:Category:Z\u00fcrich"),
        ("commons:Category:Z%C3%BCrich", "commons:Category:Z\u00fcrich"),
        ("commons:search/ mountain   lake", "commons:search/mountain lake"),
        ("commons:search/mountain%20lake?width=3840", "commons:search/mountain lake?width=3840"),
        ("commons:user/ann b", "commons:user/Ann_b"),
    ],
)
def test_one_name_for_each_place(text, uri):
    """Every spelling of a place is one source, and its name reads as itself."""
    assert REGISTRY.parse(text).uri == uri
    assert REGISTRY.parse(uri).uri == uri


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("commons:", "commons:search/WORDS"),
        ("commons:Lakes", "commons:Category:NAME"),
        ("commons:Category:", "names nothing"),
        ("commons:Category:A|B", "titles have no"),
        ("commons:Category:A\x07B", "titles have no"),
        ("commons:Category:" + "ü" * 200, "over 240 bytes"),
        ("commons:Category:A?depht=2", "'depht' is no option of it; there are: depth, width"),
        ("commons:Category:A?depth=9", "'9' is no depth"),
        ("commons:Category:A?width=2560", "1280, 1920, 3840"),
        ("commons:Category:A?depth=1&depth=2", "the option depth twice"),
        ("commons:user/", "names nothing"),
        ("commons:user/Ann?depth=1", "there are: width"),
        ("commons:search/", "nothing to search for"),
        ("commons:search/" + "x" * 301, "over 300 characters"),
    ],
)
def test_what_is_no_source(text, words):
    """A text that names no place, or asks for what there is not, says why."""
    with pytest.raises(BadSource) as bad:
        REGISTRY.parse(text)
    assert words in str(bad.value)


async def test_a_post_says_all_that_the_wiki_says():
    """Licence, author without HTML, title, page, time, place and facts travel with a file."""
    file = WikiFile("A lake.jpg", added=90)
    async with asking(files=[file]) as (source, wiki):
        [post] = await posts_of(source)
    assert images_of(post) == ["/files/original/A_lake.jpg"]
    assert (post.title, post.author, post.licence) == ("A lake", "Ann & Bo", "CC BY-SA 4.0")
    assert post.page_url == "https://commons.wikimedia.org/wiki/File:A_lake.jpg"
    assert post.community == source.uri == "commons:Category:Lakes"
    assert (post.post_id, post.time) == (str(file.page_id), 1767225600.0 + 90 * 60)
    assert post.facts == {
        "user": "Ann", "sha1": f"{0:040x}", "mime": "image/jpeg", "width": 4000, "height": 3000,
        "size": 4_000_000, "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
        "UsageTerms": "Creative Commons Attribution-Share Alike 4.0", "Credit": "Own work",
        "AttributionRequired": "true", "ImageDescription": "A view.",
        "DateTimeOriginal": "2025-05-01 10:00:00",
    }  # fmt: skip
    asked = wiki.asked[-1]
    assert asked.query["maxlag"] == "5"
    assert asked.query["gcmlimit"] == "50"
    assert asked.headers["user-agent"] == "Lodestone/0 (+https://example.org/bot)"


@pytest.mark.parametrize(
    ("metadata", "author", "licence"),
    [
        ({"Artist": None}, "Ann", "CC BY-SA 4.0"),
        ({"Artist": "<br/>"}, "Ann", "CC BY-SA 4.0"),
        (
            {"Artist": 'Unknown<span style="display: none;">Unknown <span>x</span></span> one'},
            "Unknown one",
            "CC BY-SA 4.0",
        ),
        ({"Artist": "<p>A</p><p>B</p>"}, "A B", "CC BY-SA 4.0"),
        ({"LicenseShortName": None}, "Ann & Bo", "cc-by-sa-4.0"),
        (
            {"LicenseShortName": None, "License": None},
            "Ann & Bo",
            "Creative Commons Attribution-Share Alike 4.0",
        ),
        (
            {"LicenseShortName": None, "License": None, "UsageTerms": None},
            "Ann & Bo",
            "",
        ),
        ({"LicenseShortName": {"en": "CC0"}, "License": 7}, "Ann & Bo", "Creative Commons Attribution-Share Alike 4.0"),
    ],
)  # fmt: skip
async def test_author_and_licence_come_from_what_there_is(metadata, author, licence):
    """Without an artist the uploader counts; of three names of a licence the first that is there."""
    async with asking(files=[WikiFile("A.jpg", metadata=metadata)]) as (source, _):
        [post] = await posts_of(source)
    assert (post.author, post.licence) == (author, licence)


@pytest.mark.parametrize(
    ("file", "text", "path"),
    [
        (WikiFile("A.jpg"), "", "/files/original/A.jpg"),
        (WikiFile("A.jpg", size=20_000_000), "", "/files/original/A.jpg"),
        (WikiFile("A.jpg", size=20_000_001), "", "/files/thumb/3840px/A.jpg"),
        (WikiFile("A.jpg", width=10_000, height=5_001), "", "/files/thumb/3840px/A.jpg"),
        (WikiFile("A.jpg", size=20_000_001, width=3_000), "", "/files/original/A.jpg"),
        (WikiFile("A.jpg"), "?width=1920", "/files/thumb/1920px/A.jpg"),
        (WikiFile("A.jpg", width=1_900), "?width=1920", "/files/original/A.jpg"),
        (WikiFile("A.png", mime="image/png"), "", "/files/original/A.png"),
        (WikiFile("A.webp", mime="image/webp"), "", "/files/original/A.webp"),
    ],
)
async def test_which_size_is_listed(file, text, path):
    """The original, or its widest copy where it has more bytes or pixels than are fetched, or the width asked for."""
    async with asking(f"commons:Category:Lakes{text}", files=[file]) as (source, _):
        [post] = await posts_of(source)
    assert images_of(post) == [path]
    assert post.images.is_best == path.startswith("/files/original")


async def test_what_is_no_bitmap_has_no_images():
    """Drawings, documents, films, hidden and missing files are posts without images, the last three flagged."""
    kinds = ["image/svg+xml", "image/tiff", "application/pdf", "audio/ogg", "video/webm"]
    files = [WikiFile(f"{number}.x", mime=kind) for number, kind in enumerate(kinds)]
    files += [WikiFile("h.jpg", is_hidden=True), WikiFile("m.jpg", is_missing=True)]
    async with asking(files=files) as (source, _):
        posts = await posts_of(source)
    assert len(posts) == 7
    assert all(post.images == NOTHING for post in posts)
    assert [post.title for post in posts if post.flags.is_video] == ["4"]
    assert sorted(post.title for post in posts if post.flags.is_removed) == ["h", "m"]


async def test_all_files_come_in_batches_of_fifty():
    """However an answer is cut, each file comes once and whole, and no request is sent beside another."""
    async with asking(files=lakes(120)) as (source, wiki):
        wiki.parts = 20
        batches = await batches_of(source)
        posts = [post for batch in batches for post in batch.posts]
    assert [len(batch.posts) for batch in batches] == [50, 50, 20]
    assert names(posts) == [f"Lake {number:03}" for number in range(120)]
    assert all(images_of(post) for post in posts)
    assert wiki.busiest == 1


async def test_a_later_look_asks_for_what_has_come_since():
    """By the wiki's own clock, with an hour of overlap; what was sorted in late is found."""
    async with asking(files=lakes(200)) as (source, wiki):
        cursor = await last_cursor(source)
        assert await posts_of(source, cursor) == []
        asked = len(wiki.asked)
        wiki.categories[LAKES].append(WikiFile("New.jpg", added=30 * 24 * 60 - 59))
        wiki.now += timedelta(days=1)
        assert names(await posts_of(source, cursor)) == ["New"]
        assert len(wiki.asked) - asked == 2
        assert len(cursor) < 1_000
        assert names(await posts_of(source, await last_cursor(source, cursor))) == []


async def test_a_listing_that_breaks_off_goes_on_where_it_was():
    """The cursor of each batch leads to the next, and the later look counts from the first request on."""
    async with asking(files=lakes(120)) as (source, wiki):
        listed = source.list_posts("")
        first = await anext(listed)
        await listed.aclose()
        wiki.now += timedelta(days=1)
        rest = await posts_of(source, first.cursor)
        assert sorted(names(first.posts) + names(rest)) == names(await posts_of(source))
        cursor = await last_cursor(source, first.cursor)
        assert ShelfCursor.read(cursor).since == "2026-01-31T00:00:00Z"


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense", "[]", "[1]", "7", '{"since": 7, "known": 7, "following": 7}', '{"since": "soon"}',
        '{"since": "9999-99-99", "known": [["x"]], "at": "Category:Gone", "following": {"gcmcontinue": "x"}}',
        '{"since": "0001-01-01T00:00:00Z", "known": ["%s"]}', "[" * 10_000,
    ],
)  # fmt: skip
async def test_a_cursor_of_another_version_is_the_beginning(cursor):
    """Whatever it is, everything is listed."""
    async with asking() as (source, _):
        assert len(await posts_of(source, cursor)) == 3


async def test_subcategories_down_to_a_depth_each_once():
    """Nearest first, in spite of loops; each file says which one it was found in."""
    async with asking("commons:Category:Lakes?depth=2", files=lakes(2)) as (source, wiki):
        wiki.subcategories = {
            LAKES: ["Category:Iceland", "Category:Norway"],
            "Category:Iceland": [LAKES, "Category:Deep?", "Category:Norway"],
            "Category:Deep?": ["Category:Deeper"],
        }
        for name in ("Iceland", "Norway", "Deep?", "Deeper"):
            wiki.categories[f"Category:{name}"] = [WikiFile(f"In {name.strip('?')}.jpg")]
        posts = await posts_of(source)
        assert [post.title for post in posts[2:]] == ["In Iceland", "In Norway", "In Deep"]
        assert [post.community for post in posts[2:]] == [
            "commons:Category:Iceland", "commons:Category:Norway", "commons:Category:Deep%3F",
        ]  # fmt: skip
        for post in posts:
            assert REGISTRY.parse(post.community).uri == post.community


async def test_a_new_subcategory_is_listed_whole():
    """Its files may have come into it before the last look."""
    async with asking("commons:Category:Lakes?depth=1") as (source, wiki):
        cursor = await last_cursor(source)
        wiki.categories["Category:Old"] = [WikiFile("Long there.jpg", added=-9_999)]
        wiki.subcategories[LAKES] = ["Category:Old"]
        assert names(await posts_of(source, cursor)) == ["Long there"]


async def test_a_tree_that_breaks_off_goes_on_at_its_category():
    """Categories that were done are not listed again; of one that is gone meanwhile the tree begins anew."""
    async with asking("commons:Category:Lakes?depth=1", files=lakes(60)) as (source, wiki):
        wiki.subcategories[LAKES] = ["Category:B"]
        wiki.categories["Category:B"] = [WikiFile("B.jpg")]
        first, second, last = await batches_of(source)
        assert names(await posts_of(source, second.cursor)) == ["B"]
        assert len(await posts_of(source, first.cursor)) == 12
        wiki.subcategories.clear()
        assert len(await posts_of(source, second.cursor)) == 60
        assert await posts_of(source, last.cursor) == []


async def test_too_many_subcategories_are_left_out(monkeypatch):
    """The tree has a bound, and the log says that there is more."""
    monkeypatch.setattr("services.crawler.sources.commons_shelves.CATEGORIES_MAX", 4)
    async with asking("commons:Category:Lakes?depth=5") as (source, wiki):
        wiki.subcategories[LAKES] = [f"Category:{number}" for number in range(9)]
        with capture_logs() as logs:
            await posts_of(source)
        assert len({one.query.get("gcmtitle") for one in wiki.asked} - {None}) == 4
    assert [log["event"] for log in logs] == ["categories_left_out"]


async def test_a_category_that_is_not_there_fails():
    """A typing error is told, an empty category is none."""
    async with asking("commons:Category:Laeks") as (source, _):
        with pytest.raises(SourceFailed, match="no such category"):
            await posts_of(source)
    async with asking(files=[]) as (source, _):
        assert await posts_of(source) == []


async def test_what_somebody_uploaded():
    """Only theirs, and later only what they uploaded since."""
    async with asking("commons:user/Ann_B", files=lakes(3)) as (source, wiki):
        wiki.categories[LAKES] += [WikiFile(f"A{n}.jpg", user="Ann B", added=n) for n in range(60)]
        posts = await posts_of(source)
        assert len(posts) == 60
        assert {post.community for post in posts} == {"commons:user/Ann_B"}
        cursor = await last_cursor(source)
        wiki.categories[LAKES].append(WikiFile("Z.jpg", user="Ann B", added=30 * 24 * 60))
        assert names(await posts_of(source, cursor)) == ["Z"]


async def test_a_search_lists_the_newest_first():
    """In the search's own order, down to what is known; a file's community is its uploader."""
    async with asking("commons:search/lake", files=lakes(120)) as (source, wiki):
        wiki.categories[LAKES].append(WikiFile("Other.jpg", added=999))
        posts = await posts_of(source)
        assert [post.title for post in posts] == [f"Lake {n:03}" for n in reversed(range(120))]
        assert {post.community for post in posts} == {"commons:user/Ann"}
        cursor = await last_cursor(source)
        wiki.categories[LAKES].append(WikiFile("A new lake.jpg", added=500))
        asked = len(wiki.asked)
        assert (await posts_of(source, cursor))[0].title == "A new lake"
        assert len(wiki.asked) - asked == 1


async def test_a_search_that_has_moved_on_states_the_gap():
    """If no known file is among the first 10,000 results, some are missing."""
    async with asking("commons:search/lake", files=lakes(1)) as (source, wiki):
        cursor = await last_cursor(source)
        wiki.categories[LAKES] = [WikiFile(f"Big lake {n}.jpg", added=n) for n in range(60)]
        [*_, last] = await batches_of(source, cursor)
        assert "60 posts are new" in last.gap


@pytest.mark.parametrize("text", ["commons:Category:Lakes", "commons:search/lake"])
async def test_a_list_that_leads_round_in_circles_ends(text):
    """A continuation that was had before ends it, with a warning."""
    async with asking(text, files=lakes(60)) as (source, wiki):
        wiki.loops = True
        with capture_logs() as logs:
            batches = await batches_of(source)
    assert "round in circles" in batches[-1].gap
    posts = [post for batch in batches for post in batch.posts]
    assert {post.title for post in posts} >= {f"Lake {number:03}" for number in range(10, 60)}
    assert len(wiki.asked) < 6
    assert "listing_loops" in [log["event"] for log in logs]


async def test_a_busy_wiki_is_waited_for():
    """`maxlag` with status 200 and 429 are waited for as long as they say."""
    async with asking() as (source, wiki):
        waited = []

        async def sleep(seconds):
            waited.append(seconds)

        source._wiki._sleep = sleep
        wiki.scripted += [maxlag(7), maxlag(0)]
        assert len(await posts_of(source)) == 3
    assert waited == [7.0, 0.0]


async def test_a_wiki_that_stays_busy_is_left_alone():
    """After four answers, or if it asks for more than two minutes, the lister waits and says so."""
    async with asking() as (source, wiki):
        wiki.scripted += [maxlag(0)] * 4
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
        assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, 0.0)
        assert "6.2 seconds lagged" in blocked.value.cause
        assert len(wiki.asked) == 4
        wiki.scripted.append(rate_limited(3_000))
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
        assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, 3_000.0)
        assert len(wiki.asked) == 5


NO_LISTINGS = (
    b"{}", b'{"ok": true}', b'{"query": null}', b'{"query": [7]}', b'{"batchcomplete": true}',
    b'{"batchcomplete": true, "query": {"pages": []}}', b'{"continue": 7}',
)  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTML, "no JSON, but text/html"),
        (DEEP, "nested too deeply"),
        (NO_OBJECT, "no JSON object"),
        (Scripted(body=b"\xff\xfe{"), "no JSON"),
        (Scripted(body=b'{"error": {"code": "invalidtitle", "info": "Bad title."}}'), "invalidtitle: Bad title."),
        (Scripted(body=b'{"error": ["x"]}'), "the wiki says error"),
        (Scripted(body=b'{"continue": {"iicontinue": "1", "continue": "||"}}'), "no such category"),
        *((Scripted(body=body), "answered with something that is no listing") for body in NO_LISTINGS),
        (Scripted(404, b"no"), "HTTP 404"),
    ],
)  # fmt: skip
async def test_answers_that_are_none(answer, words):
    """Pages of HTML, errors and nonsense are one sentence each."""
    async with asking() as (source, wiki):
        wiki.scripted.append(answer)
        if b"continue" in answer.body:
            wiki.categories.clear()
        with pytest.raises(SourceFailed) as failed:
            await posts_of(source)
    assert words in str(failed.value)
    assert "\n" not in str(failed.value)


async def test_the_policy_blocks_who_does_not_say_who_they_are():
    """403, as Wikimedia's servers answer to a bad User-Agent, needs a person."""
    async with asking() as (source, wiki):
        wiki.scripted.append(Scripted(403, b"Please set a user-agent", "text/plain"))
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(source)
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.FORBIDDEN, None)


async def test_a_batch_that_is_never_complete_fails():
    """Twenty answers that promise more of the same batch are enough."""
    async with asking() as (source, wiki):
        [find] = [{"batchcomplete": True, "query": {"pages": [{"title": LAKES, "pageid": 7}]}}]
        endless = Scripted(body=b'{"continue": {"iicontinue": "1", "continue": "||"}}')
        wiki.scripted += [Scripted(body=json.dumps(find).encode()), *[endless] * 20]
        with pytest.raises(SourceFailed, match="not complete after 20 answers"):
            await posts_of(source)


PAGES = [
    7, None, [], {}, {"pageid": "x"}, {"pageid": True, "title": 7}, {"title": "File:\ud800.jpg"},
    {"pageid": 1, "imageinfo": 7}, {"pageid": 2, "imageinfo": [7]}, {"pageid": 3, "imageinfo": [{}]},
    {"pageid": 4, "imageinfo": [{"url": "javascript:x", "mime": "image/jpeg"}]},
    {"pageid": 5, "imageinfo": [{"url": 7, "mime": ["image/jpeg"], "extmetadata": 7, "timestamp": {}}]},
    {"pageid": 6, "imageinfo": [{"url": "https://h/a.jpg", "mime": "image/jpeg", "size": "x", "width": 1e300,
      "timestamp": "0001-01-01", "extmetadata": {"Artist": 7, "Credit": {"value": []}}}]},
]  # fmt: skip


async def test_nonsense_among_pages_harms_no_other():
    """Wrong types, nulls and missing members leave a post without what they should have said."""
    async with asking("commons:user/Ann") as (source, wiki):
        body = {"batchcomplete": True, "query": {"pages": PAGES}}
        wiki.scripted.append(Scripted(body=json.dumps(body).encode()))
        posts = await posts_of(source)
    assert [images_of(post) for post in posts if post.images.images] == [["/a.jpg"]]


async def test_ten_megabytes_are_an_answer_like_any_other():
    """A huge title is cut to a line."""
    async with asking("commons:user/Ann") as (source, wiki):
        start = b'{"batchcomplete": true, "query": {"pages": [{"pageid": 1, "title": "File:'
        wiki.scripted.append(large(start, b'.jpg"}]}}'))
        [post] = await posts_of(source)
    assert len(post.title) <= 300


async def test_requests_keep_their_distance(monkeypatch):
    """Those of all sources together, so that a wiki has one at a time."""
    monkeypatch.undo()
    assert MediaWiki.gap_s == 1.0
    monkeypatch.setattr(MediaWiki, "gap_s", 0.1)
    async with asking() as (source, wiki):
        await asyncio.gather(posts_of(source), posts_of(source))
        times = [asked.time for asked in wiki.asked]
    assert len(times) == 4
    assert all(later - earlier > 0.09 for earlier, later in itertools.pairwise(times))
    assert wiki.busiest == 1
