from __future__ import annotations

import asyncio

import pytest

from services.crawler import answering
from services.crawler.answering import Answering
from services.crawler.fetch.document import Document, DocumentRequest
from services.crawler.fetch.fetcher import Page
from services.crawler.fetch.url import parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.resolvers.registry import resolve_or_ask
from services.crawler.resolvers.resolution import Ask, Unanswered
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.kind import SourceTools
from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.crawler.fetch.support import fetcher_for

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
