from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from services.crawler.fetch.fetcher import Page
from services.crawler.fetch.url import parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.post import Post
from services.crawler.sources import page as page_module
from services.crawler.sources.page import PageSource
from services.crawler.sources.source import BlockReason, SourceBlocked, SourceFailed
from tests.crawler.fetch.raw_server import RawServer, answer, by_path, says
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import posts_of

HTML = {"Content-Type": "text/html"}


class FakeWeb:
    """Pages by path on https://h; a value that is no text is a whole Page or an error."""

    def __init__(self, pages: dict[str, object]) -> None:
        self._pages = pages
        self.asked: list[str] = []

    async def fetch_page(self, url: str) -> Page:
        path = url.removeprefix("https://h")
        self.asked.append(path)
        page = self._pages.get(path)
        if isinstance(page, Page):
            return page
        if page is None:
            raise FetchFailed(OutcomeReason.NOT_FOUND, "h answered HTTP 404", final_url=url)
        return Page(str(page), url, "text/html")


async def posts(web: FakeWeb, path: str = "/", **options: int) -> list[Post]:
    return await posts_of(PageSource(parse_url(f"https://h{path}"), web.fetch_page, **options))


async def test_lists_a_page_and_the_pages_it_links_to_one_level() -> None:
    """Images of the page, then of each linked page; what those link to is not asked for; nothing twice."""
    web = FakeWeb(
        {
            "/": "<img src=a.jpg alt=A><a href=/2><a href=/3><img src=b.jpg>",
            "/2": "<img src=b.jpg><img src=c.jpg><a href=/deeper><a href=/>",
            "/3": "<img src=/d.jpg>",
        }
    )
    found = await posts(web)
    assert found[0] == Post("https://h/a.jpg", title="A", page_url="https://h/")
    assert [post.url[-5:] for post in found] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert [post.page_url for post in found] == [
        *("https://h/", "https://h/", "https://h/2", "https://h/3")
    ]
    assert web.asked == ["/", "/2", "/3"]


async def test_linked_pages_are_asked_for_as_they_are_needed() -> None:
    """Whoever takes the first image only has asked for the first page only."""
    web = FakeWeb({"/": "<img src=a.jpg><a href=/2>", "/2": "<img src=b.jpg>"})
    source = PageSource(parse_url("https://h/"), web.fetch_page)
    found = source.list_posts("")
    assert (await anext(found)).posts[0].url == "https://h/a.jpg"
    await found.aclose()
    assert web.asked == ["/"]


async def test_the_number_of_linked_pages_has_a_bound() -> None:
    """Of many links the first are followed, and the log says how many there were."""
    pages: dict[str, object] = {f"/{n}": f"<img src={n}.jpg>" for n in range(10)}
    web = FakeWeb(pages | {"/": "".join(f"<a href=/{n}>" for n in range(10))})
    with capture_logs() as logs:
        found = await posts(web, max_pages=4)
    assert [post.url for post in found] == [f"https://h/{n}.jpg" for n in range(4)]
    assert len(web.asked) == 5
    [log] = logs
    assert (log["links"], log["followed"]) == (10, 4)


async def test_a_linked_page_that_fails_is_left_out() -> None:
    """A dead link and a linked document cost a line in the log each, and the rest is listed."""
    document = Page("", "https://h/doc", "application/pdf")
    web = FakeWeb(
        {"/": "<a href=/dead><a href=/doc><a href=/3>", "/doc": document, "/3": "<img src=a.jpg>"}
    )
    with capture_logs() as logs:
        assert [post.url for post in await posts(web)] == ["https://h/a.jpg"]
    assert [log["url"] for log in logs] == ["https://h/dead", "https://h/doc"]


@pytest.mark.parametrize("words", ["noai", "noimageai", "noindex", "follow, NoIndex", "none"])
async def test_a_page_that_opts_out_lists_nothing(words: str) -> None:
    """As the first page it blocks the source and nothing further is asked for; a linked one is left out and logged."""
    opted_out = f"<img src=a.jpg><a href=/3></a><meta name=robots content='{words}'>"
    web = FakeWeb({"/": opted_out, "/1": "<img src=b.jpg><a href=/>", "/3": "<img src=c.jpg>"})
    with pytest.raises(SourceBlocked, match=r"its <meta> says no") as blocked:
        await posts(web)
    assert blocked.value.reason is BlockReason.FORBIDDEN
    assert web.asked == ["/"]
    below = {"/1": "<img src=b.jpg><a href=/2>", "/2": opted_out, "/3": "<img src=c.jpg>"}
    with capture_logs() as logs:
        assert [post.url for post in await posts(FakeWeb(below), "/1")] == ["https://h/b.jpg"]
    [log] = logs
    assert log["event"] == "page_left_out"
    assert "its <meta> says" in log["cause"]


async def test_links_of_a_page_that_says_nofollow() -> None:
    """Its own images are listed, its links not followed, whichever `<meta>` is for us; another crawler's is not."""
    page = "<meta name={} content=nofollow><a href=/2><img src=a.jpg>"
    for name, asked in (("robots", 1), ("lodestone", 1), ("otherbot", 2)):
        web = FakeWeb({"/": page.format(name), "/2": "<img src=b.jpg>"})
        assert len(await posts(web)) == len(web.asked) == asked


async def test_a_first_page_that_fails_is_the_source_s_failure() -> None:
    """The error names the source and says why; a document is no page."""
    with pytest.raises(SourceFailed) as failed:
        await posts(FakeWeb({}), "/gone")
    assert (failed.value.uri, failed.value.cause) == ("page:https://h/gone", "h answered HTTP 404")
    document = Page("", "https://h/doc", "application/pdf")
    with pytest.raises(SourceFailed, match="application/pdf"):
        await posts(FakeWeb({"/doc": document}), "/doc")


async def test_an_address_that_is_an_image_lists_itself() -> None:
    """A page URL that leads to an image is that image, linked ones too."""
    image = Page("", "https://h/photos/sea.jpg", "image/jpeg")
    web = FakeWeb({"/photo/1": image, "/": "<a href=/photo/1>"})
    for path in ("/photo/1", "/"):
        [post] = await posts(web, path)
        assert (post.url, post.title) == ("https://h/photos/sea.jpg", "sea")


async def test_an_empty_page_lists_nothing() -> None:
    """A page without images, or without anything, is no error."""
    assert await posts(FakeWeb({"/": "<p>nothing"})) == []
    assert await posts(FakeWeb({"/": Page("", "https://h/", "")})) == []


async def test_the_number_of_images_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a source remembers is bounded, and the log says that something was left out."""
    monkeypatch.setattr(page_module, "_IMAGES_MAX", 3)
    web = FakeWeb({"/": "".join(f"<img src={n}.jpg>" for n in range(5))})
    with capture_logs() as logs:
        assert len(await posts(web)) == 3
    assert [log["event"] for log in logs] == ["images_left_out"]


async def test_relative_to_where_a_redirect_leads() -> None:
    """Over a real server: the final address is the base, the page of the listings, and the origin."""
    async with RawServer(by_path({})) as server:
        server._respond = by_path(
            {
                "/start": answer(status="302 Found", headers={"Location": "/album/"}),
                "/album/": answer(b"<img src=a.jpg><a href=more.html>more</a>", headers=HTML),
                "/album/more.html": answer(b"<img src='b c.jpg' alt='\xc3\xa9'>", headers=HTML),
            }
        )
        async with fetcher_for(server.port) as fetcher:
            source = PageSource(parse_url(server.url("/start")), fetcher.fetch_page)
            found = await posts_of(source)
    assert source.uri == f"page:{server.url('/start')}"
    assert found == [
        Post(server.url("/album/a.jpg"), page_url=server.url("/album/")),
        Post(server.url("/album/b%20c.jpg"), title="é", page_url=server.url("/album/more.html")),
    ]


async def test_a_forbidden_page_is_not_asked_for() -> None:
    """A page on a forbidden address is the source's failure, and its listener sees no connection."""
    secret = by_path({"/": answer(b"secret", headers=HTML)})
    async with RawServer(secret) as server, fetcher_for() as fetcher:
        source = PageSource(parse_url(server.url("/")), fetcher.fetch_page)
        with pytest.raises(SourceFailed, match="loopback"):
            await anext(source.list_posts(""))
    assert server.connections == 0


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (answer(status="403 No"), BlockReason.FORBIDDEN),
        (answer(status="429 Slow"), BlockReason.RATE_LIMITED),
    ],
    ids=["403", "429"],
)
async def test_a_host_that_does_not_let_us(answered: bytes, reason: BlockReason) -> None:
    """Its source is blocked, with the reason, and not just failed; so it is where robots.txt forbids the page."""
    robots = answer(b"User-agent: *\nDisallow: /private")
    async with (
        RawServer(says(answered), robots=robots) as server,
        fetcher_for(server.port) as fetcher,
    ):
        for path, expected in (("/private", BlockReason.ROBOTS_DISALLOWED), ("/", reason)):
            source = PageSource(parse_url(server.url(path)), fetcher.fetch_page)
            with pytest.raises(SourceBlocked) as blocked:
                await anext(source.list_posts(""))
            assert blocked.value.reason is expected
