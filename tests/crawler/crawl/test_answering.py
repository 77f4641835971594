from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from services.crawler.crawl import answering
from services.crawler.crawl.answering import Answering
from services.crawler.fetch.document import Document, DocumentRequest
from services.crawler.fetch.fetcher import Page
from services.crawler.fetch.url import parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.registry import resolve_or_ask
from services.crawler.resolvers.resolution import Answer, Ask, Unanswered
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.kind import SourceTools
from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import source_tools
from tests.faithful import flickr_server, imgur_server
from tests.faithful.api_server import ApiServer, Scripted

ALBUM = "https://imgur.com/a/AbCdE12"
STATIC = "https://live.staticflickr.com/1/12345678901_abcdef0123_b.jpg"


def question(address: str) -> Ask:
    asked = resolve_or_ask(parse_url(address))
    assert isinstance(asked, Ask)
    return asked


class Host:
    """Fetches what it is told, and remembers what it was asked."""

    def __init__(self, failure: FetchFailed | None = None) -> None:
        self.failure = failure
        self.asked: list[DocumentRequest] = []

    async def page(self, url: str) -> Page:
        if self.failure:
            raise self.failure
        return Page("<p>a lake", f"{url}/final", "text/html")

    async def document(self, request: DocumentRequest) -> Document:
        self.asked.append(request)
        if self.failure:
            raise self.failure
        return Document(b'{"success": true}', request.url, "Application/JSON; charset=utf-8")

    def answering(self, **keys: str) -> Answering:
        return Answering(
            SourceTools(
                fetch_page=self.page,
                fetch_document=self.document,
                open_session=_no_session,
                guard_proxy=_no_session,
                credentials=Credentials(**keys),
            )
        )


def _no_session(*_: str) -> None:
    raise AssertionError


async def test_pages_need_no_key() -> None:
    """A page comes with the address that answered."""
    answered = await Host().answering().ask(question("https://example.org/x"))
    assert (answered.text, answered.url.text) == ("<p>a lake", "https://example.org/x/final")


@pytest.mark.parametrize("address", [ALBUM, STATIC])
async def test_interfaces_need_theirs(address: str) -> None:
    """Without a key nothing is asked."""
    host = Host()
    with pytest.raises(Unanswered, match="needs a key"):
        await host.answering().ask(question(address))
    assert host.asked == []


async def test_keys_go_where_they_belong() -> None:
    """Each to its own interface, as that wants it, and not into the address."""
    host = Host()
    answering_all = host.answering(imgur_client_id="i-key", flickr_key="f-key")
    for address in (ALBUM, STATIC):
        answered = await answering_all.ask(question(address))
        assert answered.content_type == "application/json"
    imgur, flickr = host.asked
    assert imgur.url.startswith("https://api.imgur.com/3/album/AbCdE12")
    assert (dict(imgur.headers), imgur.secret_query) == ({"Authorization": "Client-ID i-key"}, "")
    assert flickr.url.startswith("https://api.flickr.com/services/rest/")
    assert (dict(flickr.headers), flickr.secret_query) == ({}, "api_key=f-key")
    assert not any("key" in request.url.partition("?")[0] for request in host.asked)


@pytest.mark.parametrize(
    ("reason", "error"),
    [(OutcomeReason.NOT_FOUND, Unanswered), (OutcomeReason.SERVER_ERROR, FetchFailed)],
)
async def test_failures(reason: OutcomeReason, error: type[Exception]) -> None:
    """Where another try is useless the fallback is next; what passes is no answer yet."""
    with pytest.raises(error):
        await Host(FetchFailed(reason, "no")).answering().ask(question("https://example.org/x"))


async def test_a_host_that_wants_an_hour_does_not_hold_up_the_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A real fetcher would wait for the turn of a linked page however long that takes; here it does not."""
    monkeypatch.setattr(answering, "_PATIENCE_S", 0.3)
    robots = answer(b"User-agent: *\nCrawl-delay: 3600\n")
    page = answer(b"<p>", headers={"Content-Type": "text/html"})
    async with (
        RawServer(by_path({"/x": page}), robots=robots) as server,
        fetcher_for(server.port) as fetcher,
    ):
        host = Host()
        host.page = fetcher.fetch_page  # type: ignore[method-assign]
        began = asyncio.get_running_loop().time()
        with pytest.raises(
            FetchFailed, match=r"127.0.0.1 has no turn for us within 0.3 s"
        ) as failed:
            await host.answering().ask(question(server.url("/x")))
        assert asyncio.get_running_loop().time() - began < 2.0
    assert failed.value.retryable
    assert server.requests == []


IMGUR_BASE, FLICKR_BASE = "https://api.imgur.com", "https://api.flickr.com"


@asynccontextmanager
async def asking(
    base: str, server: ApiServer, *also: int, key: str = ""
) -> AsyncIterator[Answering]:
    """What asks a faithful server in place of a public interface, with its key or this one."""
    async with fetcher_for(server.port, *also) as fetcher:
        keys = Credentials(
            imgur_client_id=key or imgur_server.CLIENT_ID, flickr_key=key or flickr_server.KEY
        )
        tools = source_tools(
            fetch_page=fetcher.fetch_page,
            fetch_document=fetcher.fetch_document,
            api_base=lambda public: server.origin if public == base else public,
            credentials=keys,
        )
        yield Answering(tools)


async def test_an_album_of_imgur_is_asked_for_with_the_client_id() -> None:
    """All its images in their order, as links in other sources need them."""
    images = [imgur_server.Image() for _ in range(5)]
    async with imgur_server.ImgurServer() as imgur:
        imgur.posts = [imgur_server.Post(images, post_id="AbCdE12")]
        async with asking(IMGUR_BASE, imgur) as ask:
            found = await follow(question(ALBUM), ask.ask)
    assert [image.url.path for image in found.images] == [f"/{one.image_id}.jpg" for one in images]
    assert found.is_best
    [asked] = imgur.asked
    assert asked.headers["authorization"] == f"Client-ID {imgur_server.CLIENT_ID}"
    assert asked.raw_path == "/3/album/AbCdE12/images"


async def test_a_photo_of_flickr_is_asked_for_with_the_key() -> None:
    """Its largest size, with the key behind the address."""
    photo = flickr_server.Photo(photo_id="12345678901")
    async with flickr_server.FlickrServer() as flickr:
        flickr.photos = [photo]
        async with asking(FLICKR_BASE, flickr) as ask:
            found = await follow(question(STATIC), ask.ask)
    assert [image.url.text for image in found.images] == [photo.url("h")]
    [asked] = flickr.asked
    assert asked.query["api_key"] == flickr_server.KEY
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("base", "address"), [(IMGUR_BASE, ALBUM), (FLICKR_BASE, STATIC)], ids=["imgur", "flickr"]
)
@pytest.mark.parametrize("where", ["elsewhere", "nowhere", "key"])
async def test_a_key_stays_where_it_belongs(base: str, address: str, where: str) -> None:
    """An interface that sends us elsewhere takes no key along, and one that repeats a key spreads it no further."""
    key = "a-key+of/42=letters&more"
    server = imgur_server.ImgurServer() if base == IMGUR_BASE else flickr_server.FlickrServer()
    async with (
        RawServer(by_path({"/other": answer(b"{}")})) as other,
        server,
        asking(base, server, other.port, key=key) as ask,
    ):
        location = {
            "elsewhere": other.url("/other"),
            "nowhere": f"ftp://h/?echo={key}",
            "key": f"http://127.0.0.1:{other.port}/?echo={key}",
        }
        server.scripted.append(Scripted(302, headers={"Location": location[where]}))
        with capture_logs() as logs:
            try:
                told = repr(await ask.ask(question(address)))
            except (FetchFailed, Unanswered) as failure:
                told = f"{failure!r} {failure} {failure.__cause__} {failure.__cause__!r}"
    asked = server.asked[0]
    assert key in (asked.headers.get("authorization", ""), asked.query.get("api_key")) or (
        asked.headers["authorization"] == f"Client-ID {key}"
    )
    assert len(other.requests) == (where != "nowhere")
    if where == "elsewhere":
        assert "a-key" not in "".join(other.requests)
    assert "a-key" not in f"{told} {logs}"


@pytest.mark.parametrize(
    ("base", "address"), [(IMGUR_BASE, ALBUM), (FLICKR_BASE, STATIC)], ids=["imgur", "flickr"]
)
async def test_a_refused_key_leaves_the_fallback(base: str, address: str) -> None:
    """The given link of Flickr, nothing of Imgur; why is told without the key."""
    server = imgur_server.ImgurServer() if base == IMGUR_BASE else flickr_server.FlickrServer()
    async with server, asking(base, server, key="wrong-wrong-wrong") as ask:

        async def ask_apis(asked: Ask) -> Answer:
            if asked.url.text.startswith(base):
                return await ask.ask(asked)
            raise Unanswered(asked.url, "no page is asked for here")

        with capture_logs() as logs:
            found = await follow(question(address), ask_apis)
    assert [image.url.text for image in found.images] == ([STATIC] if address == STATIC else [])
    assert not found.is_best
    assert found.causes
    assert "wrong-wrong" not in f"{found} {logs}"
    assert len(server.asked) == 1
