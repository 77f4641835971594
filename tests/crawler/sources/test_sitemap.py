from __future__ import annotations

import gzip
import json
import time

import pytest
from structlog.testing import capture_logs

from services.crawler.resolvers.resolution import Ask, AskKind, Images
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.sitemap_document import BadMap, read_map
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import batches_of, posts_of, source_tools
from tests.faithful.feed_files import image, index, laughs, url, urlset

XML = {"Content-Type": "application/xml"}


class MapSite:
    """A site whose map is at `/sitemap.xml`, and its source; its files may change."""

    def __init__(self, **server):
        self.answers = {}
        self.server = RawServer(self._respond, **server)

    async def _respond(self, path, writer):
        await by_path(self.answers)(path, writer)

    def show(self, path, body, headers=XML, status="200 OK"):
        self.answers[path] = answer(body, headers=headers, status=status)

    def page(self, name, **facts):
        return url(self.server.url(f"/{name}"), **facts)

    def asked(self):
        """Paths since the last time."""
        paths = [head.split(" ")[1] for head in self.server.requests]
        self.server.requests.clear()
        return paths

    async def __aenter__(self):
        await self.server.__aenter__()
        self.fetcher = await fetcher_for(self.server.port).__aenter__()
        tools = source_tools(fetch_document=self.fetcher.fetch_document)
        self.source = SourceRegistry(tools).parse(f"sitemap:{self.server.url('/sitemap.xml')}")
        return self

    async def __aexit__(self, *error):
        await self.fetcher.__aexit__(*error)
        await self.server.__aexit__(*error)


@pytest.fixture
async def site():
    async with MapSite() as found:
        yield found


async def names(site, cursor=""):
    """The last parts of the pages' addresses, in the order that they are listed, and the last cursor."""
    batches = await batches_of(site.source, cursor)
    posts = [post for batch in batches for post in batch.posts]
    return [post.page_url.rpartition("/")[2] for post in posts], batches[-1].cursor


def test_one_map_has_one_name():
    """The canonical URL."""
    parse = SourceRegistry(source_tools()).parse
    assert parse("sitemap:https://H.example:443/s.xml#x").uri == "sitemap:https://h.example/s.xml"
    for text in ("sitemap:", "sitemap:/etc/passwd", "sitemap:file:///s.xml"):
        with pytest.raises(BadSource):
            parse(text)


async def test_the_images_that_a_map_names(site):
    """Address, title or caption, and licence; a page is a post for each licence of its images."""
    inside = (
        image("https://cdn.example/a.jpg?x=1&y=2", title="A lake", caption="unused")
        + image("/b.jpg", caption="A hill")
        + image("https://cdn.example/c.jpg", licence="https://creativecommons.org/licenses/by/4.0/")
        + image("javascript:alert(1)")
        + "<image:image/>"
        + "<video:video><video:title>film</video:title><video:thumbnail_loc>x</video:thumbnail_loc></video:video>"
    )
    site.show("/sitemap.xml", urlset(site.page("p", lastmod="2026-11-22", inside=inside)))
    first, second = await posts_of(site.source)
    assert [(found.url.path, found.title) for found in first.images.images] == [
        ("/a.jpg", "A lake"),
        ("/b.jpg", "A hill"),
    ]
    assert first.images.images[0].url.text == "https://cdn.example/a.jpg?x=1&y=2"
    assert first.page_url == site.server.url("/p")
    assert (first.licence, first.facts) == ("", {"lastmod": "2026-11-22"})
    assert second.licence == "https://creativecommons.org/licenses/by/4.0/"
    assert [found.url.path for found in second.images.images] == ["/c.jpg"]


async def test_pages_without_images_are_asked_for_theirs(site):
    """A page's own images when it is resolved; a file is its own."""
    site.show("/sitemap.xml", urlset(site.page("p"), site.page("lake.jpg")))
    page, file = await posts_of(site.source)
    assert isinstance(page.images, Ask)
    assert page.images.kind is AskKind.PAGE
    assert isinstance(file.images, Images)
    assert file.images.images[0].url.path == "/lake.jpg"


async def test_newest_first(site):
    """By `lastmod`, in every form that a W3C date has; pages without one come last."""
    dates = {
        "e": "2023",
        "d": "2024-02",
        "c": "2024-02-03",
        "b": "2024-02-03T04:05:06+01:00",
        "a": "2024-02-03T04:05:06.75Z",
        "x": "",
        "y": "not a date",
    }
    pages = [site.page(name, lastmod=when) for name, when in dates.items()]
    site.show("/sitemap.xml", urlset(*pages))
    assert (await names(site))[0] == ["a", "b", "c", "d", "e", "x", "y"]


async def test_an_index_and_packed_maps(site):
    """Maps of an index, the one that changed last first; gzip by its bytes, whatever its name."""
    site.show(
        "/sitemap.xml",
        index(
            (site.server.url("/old.xml"), "2024-01-01"),
            (site.server.url("/undated.xml"), ""),
            (site.server.url("/new.xml.gz"), "2026-01-01"),
        ),
    )
    for name in ("old", "undated"):
        site.show(f"/{name}.xml", urlset(site.page(name, lastmod="2024-01-01")))
    packed = gzip.compress(urlset(site.page("n1", lastmod="2026-01-01"))[:200])
    packed += gzip.compress(urlset(site.page("n1", lastmod="2026-01-01"))[200:])
    site.show("/new.xml.gz", packed, {"Content-Type": "application/gzip"})
    assert (await names(site))[0] == ["n1", "old", "undated"]


async def test_a_later_look_lists_what_changed(site):
    """New pages, changed ones, and maps that changed; nothing else is listed or even asked for."""
    site.show(
        "/sitemap.xml",
        index((site.server.url("/a.xml"), "2026-03-10"), (site.server.url("/b.xml"), "2026-01-01")),
    )
    a = [
        site.page("a1", lastmod="2026-03-10"),
        site.page("a2", lastmod="2026-03-01"),
        site.page("a3"),
    ]
    site.show("/a.xml", urlset(*a))
    site.show("/b.xml", urlset(site.page("b1", lastmod="2026-01-01")))
    found, cursor = await names(site)
    assert found == ["a1", "a2", "a3", "b1"]
    site.asked()
    assert await names(site, cursor) == ([], cursor)
    assert site.asked() == ["/sitemap.xml", "/a.xml"]
    changed = [
        site.page("a1", lastmod="2026-03-10T12:00:00Z"),
        *a[1:],
        site.page("a4"),
        site.page("late", lastmod="2026-03-10"),
    ]
    site.show("/a.xml", urlset(*changed))
    found, cursor = await names(site, cursor)
    assert found == ["a1", "late", "a4"]
    assert await names(site, cursor) == ([], cursor)


async def test_a_look_that_breaks_off_goes_on_behind_its_last_map(site):
    """The cursor after each map knows it; the next look's begins anew."""
    maps = [(site.server.url(f"/{n}.xml"), f"2026-01-0{n}") for n in (1, 2, 3)]
    site.show("/sitemap.xml", index(*maps))
    for n in (1, 2, 3):
        site.show(f"/{n}.xml", urlset(site.page(f"p{n}", lastmod=f"2026-01-0{n}")))
    site.show("/1.xml", b"", status="503 Service Unavailable")
    cursor = ""
    found = []
    with pytest.raises(SourceFailed):
        async for batch in site.source.list_posts(cursor):
            found += batch.posts
            cursor = batch.cursor or cursor
    assert [post.page_url[-2:] for post in found] == ["p3", "p2"]
    site.show("/1.xml", urlset(site.page("p1", lastmod="2026-01-01")))
    site.asked()
    rest, cursor = await names(site, cursor)
    assert rest == ["p1"]
    assert site.asked() == ["/sitemap.xml", "/1.xml"]
    assert json.loads(cursor)["done"] == ""


async def test_a_date_in_the_future_hides_nothing(site):
    """What a site dates 2099 does not make everything after it old."""
    site.show("/sitemap.xml", urlset(site.page("a", lastmod="2099-01-01")))
    _, cursor = await names(site)
    today = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    site.show("/sitemap.xml", urlset(site.page("b", lastmod=today)))
    assert (await names(site, cursor))[0] == ["b"]


@pytest.mark.parametrize(
    "cursor",
    ["x", "[]", "7", '{"since": "now", "seen": 7, "done": []}', '{"since": 1e300}', "[" * 10_000],
)
async def test_a_cursor_that_is_none_lists_everything(site, cursor):
    """Another version's, or a damaged one."""
    site.show("/sitemap.xml", urlset(site.page("a", lastmod="2026-01-01")))
    assert (await names(site, cursor))[0] == ["a"]


async def test_other_sites_are_left_out(site):
    """A map speaks for its own site only: pages and maps elsewhere are not asked for; images may be elsewhere."""
    site.show(
        "/sitemap.xml",
        index(
            ("https://other.example/s.xml", ""), (site.server.url("/a.xml"), ""), ("file:///x", "")
        ),
    )
    site.show(
        "/a.xml", urlset(url("https://other.example/p"), url("mailto:a@b"), url(""), site.page("a"))
    )
    batches = await batches_of(site.source)
    assert [post.page_url for batch in batches for post in batch.posts] == [site.server.url("/a")]
    assert sum(batch.skipped_count for batch in batches) == 3


async def test_maps_that_lead_in_circles_or_too_deep(site):
    """Each map is asked for once; an index of indexes of indexes is not followed further."""
    site.show(
        "/sitemap.xml",
        index((site.server.url("/sitemap.xml"), ""), (site.server.url("/2.xml"), "")),
    )
    site.show("/2.xml", index((site.server.url("/3.xml"), ""), (site.server.url("/2.xml"), "")))
    site.show("/3.xml", index((site.server.url("/4.xml"), "")))
    assert (await names(site))[0] == []
    assert site.asked() == ["/sitemap.xml", "/2.xml", "/3.xml"]


async def test_a_map_that_is_gone_or_broken_does_not_stop_the_others(site):
    """It is logged and left out."""
    site.show(
        "/sitemap.xml",
        index(*((site.server.url(f"/{name}"), "") for name in ("gone", "html", "a.xml"))),
    )
    site.show("/html", b"<html><p>hi</html>")
    site.show("/a.xml", urlset(site.page("a")))
    with capture_logs() as logs:
        assert (await names(site))[0] == ["a"]
    assert [log["event"] for log in logs] == ["map_left_out"] * 2


async def test_the_number_of_maps_has_a_bound(site, monkeypatch):
    """The log says how many were left out."""
    monkeypatch.setattr("services.crawler.sources.sitemap._MAPS_MAX", 3)
    site.show("/sitemap.xml", index(*((site.server.url(f"/{n}.xml"), "") for n in range(6))))
    for n in range(6):
        site.show(f"/{n}.xml", urlset(site.page(f"p{n}")))
    with capture_logs() as logs:
        assert len((await names(site))[0]) == 2
    assert (logs[-1]["event"], logs[-1]["maps"]) == ("maps_left_out", 4)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "neither urlset nor sitemapindex"),
        (b"<!doctype html><title>x</title>", "no site map"),
        (b"<rss version='2.0'><channel/></rss>", "neither urlset nor sitemapindex"),
        (b"\x00" * 100, "no site map"),
        (laughs().encode() + b"<urlset><url><loc>&lol9;</loc></url></urlset>", "declares entities"),
        (
            b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>',
            "declares entities",
        ),
        (gzip.compress(b" " * 60_000_000, 1, mtime=0), "unpacks to over 50,000,000"),
        (b"\x1f\x8b broken", "no site map"),
        (b'<?xml version="1.0" encoding="no-such"?><urlset/>', "no site map"),
    ],
    ids=lambda value: repr(value[:30]),
)
async def test_what_is_no_map_is_said_so(site, body, words):
    """HTML, feeds, entities and bombs: one line."""
    site.show("/sitemap.xml", body)
    with pytest.raises(SourceFailed) as failed:
        await posts_of(site.source)
    assert words in failed.value.cause
    assert "\n" not in str(failed.value)


async def test_what_comes_before_an_error_counts(site):
    """A map that ends in the middle is listed as far as it goes, and the log says so."""
    whole = urlset(site.page("a"), site.page("b"))
    site.show("/sitemap.xml", whole[: whole.index(b"/b</loc>") + 1])
    with capture_logs() as logs:
        assert (await names(site))[0] == ["a"]
    assert [log["event"] for log in logs] == ["map_cut_off"]


async def test_robots_txt_counts():
    """A map that it forbids is a block, and is not asked for."""
    async with MapSite(robots=answer(b"User-agent: *\nDisallow: /sitemap.xml")) as site:
        with pytest.raises(SourceBlocked) as blocked:
            await posts_of(site.source)
        assert blocked.value.reason is BlockReason.ROBOTS_DISALLOWED
        assert not site.server.requests


def test_a_map_without_a_namespace_and_in_another_encoding():
    """Both are common."""
    body = '<?xml version="1.0" encoding="iso-8859-1"?><urlset><url><loc> https://h/é </loc></url></urlset>'
    assert read_map(body.encode("iso-8859-1")).pages[0].address == "https://h/é"


def test_hostile_maps_end_in_time():
    """Depth, long texts, thousands of images and more pages than a map may have: bounds, not errors."""
    began = time.monotonic()
    deep = (
        b"<urlset><url>"
        + b"<a>" * 100_000
        + b"</a>" * 100_000
        + b"<loc>https://h/</loc></url></urlset>"
    )
    assert read_map(deep).pages[0].address == "https://h/"
    long = b"<urlset><url><loc>" + b"x" * 9_000_000 + b"</loc></url></urlset>"
    assert len(read_map(long).pages[0].address) < 70_000
    many = urlset(url("https://h/", inside=image("https://h/a.jpg") * 3_000))
    assert len(read_map(many).pages[0].images) == 1_000
    pages = read_map(urlset(*[url("https://h/")] * 60_000))
    assert len(pages.pages) == 50_000
    assert pages.cut_off
    assert time.monotonic() - began < 20


def test_fields_of_other_elements_are_not_mistaken():
    """A video's title, a nested loc and an image's lastmod are none of the page's."""
    inside = (
        "<x><loc>https://h/no</loc></x><image:image><x><image:loc>no</image:loc></x>"
        "<image:loc>https://h/a.jpg</image:loc><lastmod>2020</lastmod></image:image>"
    )
    [page] = read_map(urlset(url("https://h/p", lastmod="2026", inside=inside))).pages
    assert (page.address, page.change_text) == ("https://h/p", "2026")
    assert page.images == ({"loc": "https://h/a.jpg"},)


def test_an_empty_map_is_a_map():
    """A site without pages."""
    assert read_map(b"<urlset/>").pages == []
    with pytest.raises(BadMap):
        read_map(b"<nothing/>")
