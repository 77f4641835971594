from __future__ import annotations

import json
import time

import pytest

from services.crawler.crawl.answering import Answering
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.resolution import Ask, AskKind, Images
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import batches_of, posts_of, source_tools
from tests.faithful.feed_files import atom, entry, item, laughs, rss

XML = {"Content-Type": "application/rss+xml; charset=utf-8"}


class FeedSite:
    """A site with a feed at `/feed`, and its source; the feed may change."""

    def __init__(self, **server):
        self.answers = {}
        self.server = RawServer(self._respond, **server)

    async def _respond(self, path, writer):
        await by_path(self.answers)(path, writer)

    def show(self, body, headers=XML, status="200 OK"):
        self.answers["/feed"] = answer(body, headers=headers, status=status)

    async def __aenter__(self):
        await self.server.__aenter__()
        self.fetcher = await fetcher_for(self.server.port).__aenter__()
        self.tools = source_tools(
            fetch_document=self.fetcher.fetch_document, fetch_page=self.fetcher.fetch_page
        )
        self.source = SourceRegistry(self.tools).parse(f"feed:{self.server.url('/feed')}")
        return self

    async def __aexit__(self, *error):
        await self.fetcher.__aexit__(*error)
        await self.server.__aexit__(*error)


@pytest.fixture
async def site():
    async with FeedSite() as found:
        yield found


async def images_of(site, *items):
    """The images of the only post, and the post."""
    site.show(rss(*items))
    [post] = await posts_of(site.source)
    assert isinstance(post.images, Images)
    return [image.url.text for image in post.images.images], post


def test_one_feed_has_one_name():
    """The canonical URL, with its query."""
    parse = SourceRegistry(source_tools()).parse
    for text in ("feed:https://H.example:443/f?a=1", "FEED: https://h.example/f?a=1#top"):
        assert parse(text).uri == "feed:https://h.example/f?a=1"
    for text in ("feed:", "feed:file:///etc/passwd", "feed:/etc/passwd"):
        with pytest.raises(BadSource):
            parse(text)


async def test_what_an_rss_item_says(site):
    """Title, author, time, page, tags, licence and the image that it encloses."""
    enclosure = '<enclosure url="https://h.example/a.jpg" type="image/jpeg" length="9"/>'
    licence = "<creativeCommons:license>https://creativecommons.org/licenses/by/4.0/</creativeCommons:license>"
    images, post = await images_of(
        site, item("a", extra=f"{enclosure}{licence}<category>lakes</category>")
    )
    assert images == ["https://h.example/a.jpg"]
    assert (post.title, post.author, post.post_id) == ("Lake & a", "Ada", "id-a")
    assert post.page_url == "https://h.example/posts/a"
    assert post.time == 1_795_327_200.0
    assert post.licence == "https://creativecommons.org/licenses/by/4.0/"
    assert post.facts == {"tags": ["lakes"], "feed": "Lakes"}


async def test_what_an_atom_entry_says(site):
    """The same of Atom, with relative addresses; the feed's licence counts where the entry has none."""
    licence = '<link rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/"/>'
    html = '<p>At <img src="img/a.jpg" alt="The lake" srcset="img/a.jpg 800w, img/a-3000.jpg 3000w"></p>'
    site.show(
        atom(entry("a", html=html), entry("b", extra="<rights>© Ada</rights>"), feed=licence),
        {"Content-Type": "application/atom+xml"},
    )
    first, second = await posts_of(site.source)
    assert [(image.url.path, image.title) for image in first.images.images] == [
        ("/posts/img/a-3000.jpg", "The lake")
    ]
    assert first.page_url == site.server.url("/posts/a")
    assert first.title == "Lake <b> a"
    assert (first.author, first.time) == ("Ada", 1_795_327_200.0)
    assert first.licence.endswith("/by-sa/4.0/")
    assert second.licence == "© Ada"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            (
                '<media:group><media:content url="https://h.example/s.jpg" medium="image" width="300" height="200"/>'
                '<media:content url="https://h.example/l.jpg" medium="image" width="3000" height="2000"/></media:group>'
            ),
            ["l.jpg"],
        ),
        (
            (
                '<media:content url="https://h.example/i?width=140" width="140"/>'
                '<media:content url="https://h.example/i.jpg?width=1900" width="1900"/>'
            ),
            ["i.jpg?width=1900"],
        ),
        (
            (
                '<media:content url="https://h.example/a.jpg" medium="image"/>'
                '<media:content url="https://h.example/b.jpg" medium="image"/>'
            ),
            ["a.jpg", "b.jpg"],
        ),
        (
            (
                '<media:content url="https://h.example/f.mp4" type="video/mp4" width="9999" height="9999"/>'
                '<media:content url="https://h.example/a.jpg" type="image/jpeg" width="10" height="10"/>'
            ),
            ["a.jpg"],
        ),
        (
            (
                '<enclosure url="https://h.example/talk.mp3" type="audio/mpeg" length="1"/>'
                '<enclosure url="https://h.example/a.png" length="1"/>'
            ),
            ["a.png"],
        ),
        (
            '<media:content url="https://h.example/a.jpg" width="NaN" height="-1"/>',
            ["a.jpg"],
        ),
        (
            (
                '<media:content url="javascript:alert(1)" medium="image"/>'
                '<enclosure url="file:///etc/passwd" type="image/png"/>'
                '<enclosure url="https://h.example/a.jpg" type="image/jpeg"/>'
            ),
            ["a.jpg"],
        ),
    ],
)
async def test_the_best_of_what_is_declared(site, extra, expected):
    """Of several sizes the largest; films, sounds and addresses of no web page are left out."""
    images, _ = await images_of(site, item("a", extra=extra))
    assert [url.removeprefix("https://h.example/") for url in images] == expected


async def test_a_text_s_images_stand_behind_those_that_are_enclosed(site):
    """Each once; an image inside a link to an image is its thumbnail."""
    html = '<a href="/big.jpg"><img src="/small.jpg"></a><img src="/a.jpg"><img src="/b.jpg">'
    enclosure = '<enclosure url="https://h.example/a.jpg" type="image/jpeg" length="9"/>'
    images, _ = await images_of(site, item("a", html=html, extra=enclosure))
    assert images == [f"https://h.example/{name}.jpg" for name in ("a", "big", "b")]


async def test_an_only_image_on_a_known_host_becomes_its_original(site):
    """A preview of Reddit's, a thumbnail of imgur's."""
    images, _ = await images_of(
        site, item("a", html='<img src="https://i.imgur.com/AbCdE12l.png">')
    )
    assert images == ["https://i.imgur.com/AbCdE12.png"]


async def test_an_entry_without_images_has_those_of_its_page(site):
    """Its page is asked for when it is resolved, by the rules of its host; a thumbnail is what is left."""
    link = f"<link>{site.server.url('/p')}</link>"
    thumbnail = '<media:thumbnail url="https://h.example/t.jpg"/>'
    site.show(
        rss(
            item("a", link=False, extra=link),
            item("b", link=False, extra=thumbnail + link.replace("/p", "/gone")),
        )
    )
    page = b'<meta property="og:image" content="/hero.jpg">'
    site.answers["/p"] = answer(page, headers={"Content-Type": "text/html"})
    first, second = await posts_of(site.source)
    assert isinstance(first.images, Ask)
    assert first.images.kind is AskKind.PAGE
    found = await follow(first.images, Answering(site.tools).ask)
    assert [image.url.path for image in found.images] == ["/hero.jpg"]
    left = await follow(second.images, Answering(site.tools).ask)
    assert [image.url.text for image in left.images] == ["https://h.example/t.jpg"]
    assert left.images[0].is_preview


async def test_entries_without_a_name(site):
    """The page, then the first image names an entry; one that has nothing at all is counted."""
    image = '<enclosure url="https://h.example/a.jpg" type="image/jpeg"/>'
    site.show(
        rss(
            "<item><link>https://h.example/posts/a</link></item>",
            f"<item>{image}</item>",
            "<item><title>nothing</title></item>",
        )
    )
    *batches, last = await batches_of(site.source)
    assert [post.post_id for batch in batches for post in batch.posts] == [
        "https://h.example/posts/a",
        "https://h.example/a.jpg",
    ]
    assert last.skipped_count == 1


async def test_a_later_look_lists_what_is_new(site):
    """Whatever the order of the feed; what fell out of the feed is remembered for a while."""
    site.show(rss(*(item(str(number)) for number in range(120))))
    batches = await batches_of(site.source)
    assert [len(batch.posts) for batch in batches] == [50, 50, 20, 0]
    cursor = batches[-1].cursor
    site.show(rss(item("old-news"), *(item(str(number)) for number in range(60, 125))))
    batches = await batches_of(site.source, cursor)
    assert [post.post_id for batch in batches for post in batch.posts] == [
        f"id-{name}" for name in ("old-news", *range(120, 125))
    ]
    assert not batches[-1].gap
    site.show(rss(*(item(str(number)) for number in range(3))))
    assert not await posts_of(site.source, batches[-1].cursor)


async def test_a_look_that_breaks_off_goes_on(site):
    """Each batch has its cursor."""
    site.show(rss(*(item(str(number)) for number in range(120))))
    first = (await batches_of(site.source))[0]
    assert len(await posts_of(site.source, first.cursor)) == 70


async def test_a_feed_of_which_nothing_is_known_any_more_is_a_gap(site):
    """It moved on by more than it shows."""
    site.show(rss(item("1"), item("2")))
    cursor = (await batches_of(site.source))[-1].cursor
    site.show(rss(item("8"), item("9")))
    assert "all 2 entries" in (await batches_of(site.source, cursor))[-1].gap


@pytest.mark.parametrize("cursor", ["x", "[]", "{}", "ä" * 8, "a" * 70_001])
async def test_a_cursor_that_is_none_lists_everything(site, cursor):
    """Another version's, or a damaged one; and the feed is no gap for that."""
    site.show(rss(item("1")))
    batches = await batches_of(site.source, cursor)
    assert len(batches[0].posts) == 1
    assert not batches[-1].gap


async def test_a_cursor_has_a_bound(site):
    """Of a feed with thousands of entries too."""
    site.show(rss(*(item(str(number)) for number in range(7_000))))
    assert len((await batches_of(site.source))[-1].cursor) <= 65_536


async def test_feeds_are_read_in_the_encoding_that_they_really_have(site):
    """The header's, the declaration's, or what the bytes turn out to be."""
    text = (
        '<?xml version="1.0" encoding="{}"?><rss version="2.0"><channel><item><guid>1</guid>'
        "<title>Jökulsárlón</title></item></channel></rss>"
    )
    for encoding, stated, header in (
        ("utf-8", "utf-8", ""),
        ("iso-8859-1", "iso-8859-1", ""),
        ("cp1252", "utf-8", ""),
        ("utf-16", "utf-16", ""),
        ("iso-8859-1", "utf-8", "; charset=iso-8859-1"),
    ):
        body = text.format(stated).encode(encoding)
        site.show(body, {"Content-Type": f"application/rss+xml{header}"})
        [post] = await posts_of(site.source)
        assert post.title == "Jökulsárlón", (encoding, stated, header)


@pytest.mark.parametrize(
    "when",
    [
        "NaN",
        "",
        "yesterday",
        "Fri, 99 Foo 99999999 99:99:99 +9999",
        "-1",
        "1e999",
        "0000-00-00T00:00:00Z",
    ],
)
async def test_times_that_are_none(site, when):
    """An entry has no time then; nothing else is lost, and another of its times counts."""
    pub = f"<pubDate>{when}</pubDate>"
    image = '<enclosure url="https://h.example/a.jpg" type="image/jpeg"/>'
    dated = "<dc:date>2026-11-22T06:00:00Z</dc:date>"
    site.show(
        rss(
            f"<item><guid>1</guid>{pub}{image}</item>", f"<item><guid>2</guid>{dated}{image}</item>"
        )
    )
    first, second = await posts_of(site.source)
    assert first.time is None
    assert second.time == 1_795_327_200.0


async def test_a_feed_that_is_not_well_formed_is_read_all_the_same(site):
    """Many are not."""
    site.show(
        rss(item("a"), "<item><guid isPermaLink='false'>b</guid><title>A & B</title>", item("c"))
    )
    assert [post.post_id for post in await posts_of(site.source)] == ["id-a", "b", "id-c"]


async def test_numbers_that_are_no_characters(site):
    """Halves of UTF-16, what is beyond Unicode and thousands of digits: the rest of the feed is read."""
    title = f"a&#55357;&#xDE00;b&#x110000;c&#{'9' * 5_000};d&#0;e&#x00e9;f&#xFFFFFFFFFFFF;"
    site.show(rss(f"<item><guid>1</guid><title>{title}</title></item>", item("b")))
    posts = await posts_of(site.source)
    assert len(posts) == 2
    assert posts[0].title.replace("\ufffd", "") == "abcdeéf"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b"/etc/hostname", "application/rss+xml"),
        (b'{"version": "https://jsonfeed.org/version/1"}', "application/rss+xml"),
        (b"<!doctype html><title>Blog</title><body>", "it is an HTML page"),
        (
            b'<html><head><link rel=alternate type="application/atom+xml" href="/atom.xml"></head>',
            "/atom.xml",
        ),
        (b"\x00\x01\x02\xff", "application/rss+xml"),
        (b"<" * 100_000, "application/rss+xml"),
    ],
)
async def test_what_is_no_feed_is_said_so(site, body, words):
    """HTML with status 200, other formats, names of files: one line, which names the page's own feeds."""
    site.show(body)
    with pytest.raises(SourceFailed) as failed:
        await posts_of(site.source)
    assert "no RSS or Atom feed" in failed.value.cause
    assert words in failed.value.cause
    assert "\n" not in str(failed.value)


async def test_entities_are_neither_multiplied_nor_fetched(site, tmp_path):
    """A billion laughs, a file and an address as entities: the feed is read without them, at once."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2", encoding="utf-8")
    item_xml = "<item><guid>{0}</guid><title>{1}</title></item>"
    outside = (
        f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY f SYSTEM "{secret.as_uri()}">'
        f'<!ENTITY u SYSTEM "{site.server.url("/entity")}">]>'
        f'<rss version="2.0"><channel>{item_xml.format(1, "a&f;&u;")}</channel></rss>'
    )
    began = time.monotonic()
    site.show(outside.encode())
    [post] = await posts_of(site.source)
    assert "hunter2" not in repr(post)
    site.show(
        f'{laughs()}<rss version="2.0"><channel>{item_xml.format(1, "&lol9;")}</channel></rss>'.encode()
    )
    [post] = await posts_of(site.source)
    assert len(post.title) <= 300
    assert time.monotonic() - began < 5
    assert not any("/entity" in head for head in site.server.requests)


@pytest.mark.parametrize(
    "body",
    [
        b"<rss version='2.0'><channel><item>" + b"<a>" * 10_000,
        b"<rss version='2.0'><channel><item><guid>1</guid><description>" + b"&lt;" * 100_000,
        b"<rss version='2.0'><channel>" + b"<item><guid>1</guid></item>" * 5_000,
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>1</id><link/><content/></entry></feed>",
        (
            b"<rss version='2.0' xmlns:media='http://search.yahoo.com/mrss/'><channel><item><guid>1</guid>"
            b"<media:thumbnail/><media:content/><enclosure/><media:license/></item></channel></rss>"
        ),
    ],
    ids=lambda body: body[-40:].decode(),
)
async def test_hostile_feeds_end_in_time(site, body):
    """Depth, repetition and empty elements cost seconds at most and no error."""
    site.show(body)
    began = time.monotonic()
    await posts_of(site.source)
    assert time.monotonic() - began < 10


async def test_a_feed_that_is_too_large(site):
    """Over 5 MB is not read."""
    site.show(b" " * 5_000_001)
    with pytest.raises(SourceFailed, match="over the limit of 5,000,000"):
        await posts_of(site.source)


async def test_robots_txt_counts():
    """A feed that it forbids is a block, and is not asked for."""
    async with FeedSite(robots=answer(b"User-agent: *\nDisallow: /feed")) as site:
        site.show(rss(item("a")))
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(site.source)
        assert blocked.value.reason is BlockReason.ROBOTS_DISALLOWED
        assert not site.server.requests


async def test_refusals_are_blocks(site):
    """403 and 429 say so."""
    site.show(b"", status="403 Forbidden")
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(site.source)
    assert blocked.value.reason is BlockReason.FORBIDDEN
    site.show(b"", {"Retry-After": "7"}, status="429 Too Many Requests")
    with pytest.raises(SourceBlocked) as blocked:
        await posts_of(site.source)
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, 7.0)


async def test_facts_are_json(site):
    """What is kept beside the images can be written."""
    site.show(rss(item("a", extra="<category>x</category>")))
    [post] = await posts_of(site.source)
    assert json.loads(json.dumps(post.facts)) == post.facts
