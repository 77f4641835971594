from __future__ import annotations

import asyncio
import traceback

import pytest

from services.crawler.fetch.document import DOCUMENT_MAX_BYTES, DocumentRequest
from services.crawler.fetch.identity import ContactMissing, Identity
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.outcome import FetchFailed, OutcomeReason, StatusFailed
from tests.crawler.fetch.raw_server import RawServer, answer, by_path, hang, says
from tests.crawler.fetch.support import fetcher_for

TOKEN = "t0ken-that-nobody-may-see"
SECRETS = {
    "headers": {"Authorization": f"Bearer {TOKEN}"},
    "secret_query": f"api_key=k%2Dey-that-nobody-may-see&user={TOKEN}",
}
FORBID = answer(b"User-agent: *\nDisallow: /")


async def failure_of(fetcher, request):
    with pytest.raises(FetchFailed) as failed:
        await fetcher.fetch_document(request)
    return failed.value


def redirect(url, status="302 Found"):
    return answer(status=status, headers={"Location": url})


async def test_a_document_with_what_its_host_says_of_it() -> None:
    """Bytes, the whole content type, headers in lower case, and the address that answered."""
    headers = {"Content-Type": "application/json; charset=utf-8", "X-RateLimit-Remaining": "9"}
    pages = {"/a": redirect("/b?c=1"), "/b?c=1": answer(b"[1]", headers=headers)}
    async with RawServer(by_path(pages)) as server, fetcher_for(server.port) as fetcher:
        document = await fetcher.fetch_document(DocumentRequest(server.url("/a"), accept="x/y"))
    assert (document.body, document.final_url) == (b"[1]", server.url("/b?c=1"))
    assert document.content_type == "application/json; charset=utf-8"
    assert document.headers["x-ratelimit-remaining"] == "9"
    assert all("Accept: x/y" in request for request in server.requests)


async def test_an_interface_has_its_own_terms_and_a_page_its_robots_txt() -> None:
    """robots.txt is not asked for an interface; for a feed or a map of a site it rules."""
    async with (
        RawServer(says(answer(b"{}")), robots=FORBID) as server,
        fetcher_for(server.port) as fetcher,
    ):
        assert (await fetcher.fetch_document(DocumentRequest(server.url()))).body == b"{}"
        assert server.robots_requests == []
        failure = await failure_of(fetcher, DocumentRequest(server.url(), is_api=False))
    assert failure.reason is OutcomeReason.ROBOTS_DISALLOWED
    assert (len(server.requests), len(server.robots_requests)) == (1, 1)


async def test_secrets_go_where_they_belong() -> None:
    """To the address's own origin, redirects within it included; the query behind what is there already."""
    pages = {}
    async with RawServer(by_path(pages)) as server, fetcher_for(server.port) as fetcher:
        query = SECRETS["secret_query"]
        pages[f"/a?q=1&{query}"] = redirect("/b")
        pages[f"/b?{query}"] = answer(b"ok")
        document = await fetcher.fetch_document(DocumentRequest(server.url("/a?q=1"), **SECRETS))
    assert document.body == b"ok"
    assert all(f"Authorization: Bearer {TOKEN}" in request for request in server.requests)
    assert document.final_url == server.url("/b?…")


@pytest.mark.parametrize("way", ["port", "name", "back"])
async def test_another_origin_is_told_no_secret(way: str) -> None:
    """Another port, another name of the same machine; back at its own origin it is told again."""
    pages, other_pages = {}, {}
    names = {"other.example": [["127.0.0.1"]]}
    async with (
        RawServer(by_path(pages)) as server,
        RawServer(by_path(other_pages)) as other,
        fetcher_for(server.port, other.port, names=names) as fetcher,
    ):
        host = "other.example" if way == "name" else "127.0.0.1"
        pages[f"/?{SECRETS['secret_query']}"] = redirect(other.url("/x", host=host))
        other_pages["/x"] = redirect(server.url("/end")) if way == "back" else answer(b"ok")
        pages[f"/end?{SECRETS['secret_query']}"] = answer(b"ok")
        document = await fetcher.fetch_document(DocumentRequest(server.url("/"), **SECRETS))
    assert document.body == b"ok"
    [asked] = other.requests
    assert asked.startswith("GET /x HTTP")
    assert "Authorization" not in asked
    assert TOKEN not in asked
    assert way != "back" or TOKEN in server.requests[-1]


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (answer(status="401 No"), OutcomeReason.REFUSED),
        (answer(status="429 Slow", headers={"Retry-After": "7"}), OutcomeReason.RATE_LIMITED),
        (redirect(f"ftp://h/{TOKEN}"), OutcomeReason.BAD_URL),
        (redirect(f"http://10.0.0.1/?t={TOKEN}"), OutcomeReason.FORBIDDEN_ADDRESS),
        (answer(headers={"Content-Encoding": TOKEN}), OutcomeReason.CONTENT_ENCODING),
        (answer(b"x" * 2_000), OutcomeReason.TOO_MANY_BYTES),
        (b"HTTP/1.1 " + TOKEN.encode() + b"\r\n\r\n", OutcomeReason.SERVER_ERROR),
        (b"", OutcomeReason.UNREACHABLE),
    ],
)
async def test_no_failure_shows_a_secret(answered: bytes, reason: OutcomeReason) -> None:
    """Neither its text nor its address, and not the errors that it came from, whatever a host repeats."""
    async with RawServer(says(answered)) as server, fetcher_for(server.port) as fetcher:
        request = DocumentRequest(server.url("/a"), max_bytes=1_000, **SECRETS)
        failure = await failure_of(fetcher, request)
    assert failure.reason is reason
    shown = "".join(
        (*traceback.format_exception(failure), repr(failure), failure.final_url, repr(request))
    )
    assert TOKEN not in shown
    assert "k%2Dey-that-nobody" not in shown
    assert "k-ey-that-nobody" not in shown


async def test_a_scrubbed_failure_is_still_the_same() -> None:
    """Its status and how long to wait are kept: whoever asked acts on them."""
    pages = {}
    async with RawServer(by_path(pages)) as server, fetcher_for(server.port) as fetcher:
        pages[f"/a?{SECRETS['secret_query']}"] = redirect(f"/{TOKEN}")
        pages[f"/{TOKEN}?{SECRETS['secret_query']}"] = answer(
            status="429 Slow", headers={"Retry-After": "7"}
        )
        failure = await failure_of(fetcher, DocumentRequest(server.url("/a"), **SECRETS))
    assert isinstance(failure, StatusFailed)
    assert (failure.status, failure.retry_after_s) == (429, 7.0)
    assert TOKEN not in failure.final_url


def test_what_is_no_interface_is_told_no_secret() -> None:
    """They would be left out unseen: asking so is a mistake."""
    with pytest.raises(ValueError, match="only interfaces"):
        DocumentRequest("http://h/", is_api=False, secret_query="a=b")


async def test_bytes_have_a_bound() -> None:
    """Exactly the bound passes; one more does not, stated or not. The default is 10 MB."""
    assert DocumentRequest("http://h/").max_bytes == DOCUMENT_MAX_BYTES == 10_000_000
    unstated = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 1_001
    pages = {"/in": answer(b"x" * 1_000), "/over": answer(b"x" * 1_001), "/unstated": unstated}
    async with RawServer(by_path(pages)) as server, fetcher_for(server.port) as fetcher:
        document = await fetcher.fetch_document(DocumentRequest(server.url("/in"), max_bytes=1_000))
        assert len(document.body) == 1_000
        for path in ("/over", "/unstated"):
            failure = await failure_of(fetcher, DocumentRequest(server.url(path), max_bytes=1_000))
            assert failure.reason is OutcomeReason.TOO_MANY_BYTES


async def test_redirects_have_a_bound() -> None:
    """A circle ends, and forbidden addresses are not followed to."""
    async with RawServer(says(answer(b"secret"))) as trap:
        pages = {"/round": redirect("/round"), "/trap": redirect(trap.url())}
        async with RawServer(by_path(pages)) as server, fetcher_for(server.port) as fetcher:
            failure = await failure_of(fetcher, DocumentRequest(server.url("/round")))
            assert failure.reason is OutcomeReason.TOO_MANY_REDIRECTS
            failure = await failure_of(fetcher, DocumentRequest(server.url("/trap")))
            assert failure.reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert trap.connections == 0


async def test_nobody_is_asked_without_a_contact() -> None:
    """What the configuration allows is our own; a stranger is not asked."""
    async with (
        RawServer(says(answer(b"{}"))) as server,
        fetcher_for(server.port, identity=Identity("0")) as fetcher,
    ):
        assert (await fetcher.fetch_document(DocumentRequest(server.url()))).body == b"{}"
        with pytest.raises(ContactMissing):
            await fetcher.fetch_document(DocumentRequest("https://site.example/"))


async def test_a_host_that_rests_is_waited_for() -> None:
    """However long it asked to be left alone; nothing is asked meanwhile."""
    pages = {"/busy": answer(status="429 Slow", headers={"Retry-After": "1"}), "/": answer(b"ok")}
    pace = PaceLimits(requests_per_s=1_000.0)
    async with (
        RawServer(by_path(pages)) as server,
        fetcher_for(server.port, pace=pace, patience_s=0.05) as fetcher,
    ):
        await failure_of(fetcher, DocumentRequest(server.url("/busy")))
        document = await fetcher.fetch_document(DocumentRequest(server.url()))
    assert document.body == b"ok"
    assert server.times[1] - server.times[0] >= 0.95


async def test_an_interface_may_want_to_be_asked_slowly() -> None:
    """Its own gap between two requests is kept."""
    async with RawServer(says(answer(b"{}"))) as server, fetcher_for(server.port) as fetcher:
        for _ in range(3):
            await fetcher.fetch_document(DocumentRequest(server.url(), gap_s=0.2))
    gaps = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    assert min(gaps) >= 0.15


async def test_a_host_that_does_not_answer() -> None:
    """Its time is over, and asking can be broken off."""
    async with RawServer(hang) as server, fetcher_for(server.port, first_byte_s=0.2) as fetcher:
        failure = await failure_of(fetcher, DocumentRequest(server.url()))
        assert failure.reason is OutcomeReason.TIMEOUT
    async with RawServer(hang) as server, fetcher_for(server.port) as fetcher:
        asking = asyncio.create_task(fetcher.fetch_document(DocumentRequest(server.url())))
        while not server.requests:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
