from __future__ import annotations

import asyncio

import pytest

from services.crawler.fetch.document import DocumentRequest
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.fetch.robots_rules import ROBOTS_MAX_BYTES
from services.crawler.outcome import Fetched, FetchFailed, OutcomeReason, OutcomeState
from tests.crawler.fetch.raw_server import RawServer, answer, by_path, hang, says
from tests.crawler.fetch.support import failure, fetcher_for, listing

FORBIDS = answer(b"User-agent: *\nDisallow: /private\n")


def moved(location: str) -> bytes:
    return answer(status="302 Found", headers={"Location": location})


@pytest.mark.parametrize(
    "status", ["400 Bad", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"]
)
async def test_without_a_robots_txt_everything_is_allowed(status: str) -> None:
    """4xx means that there is none; the record of the fetch says which it was."""
    robots = answer(b"User-agent: *\nDisallow: /", status=status)
    async with (
        RawServer(says(answer(b"x")), robots=robots) as server,
        fetcher_for(server.port) as fetcher,
    ):
        fetched = await fetcher.fetch(listing(server.url()))
    assert fetched.compliance is not None
    assert fetched.compliance.robots_status == int(status[:3])


@pytest.mark.parametrize(
    ("robots", "reason"),
    [
        (answer(status="500 Oh"), OutcomeReason.ROBOTS_UNREACHABLE),
        (answer(status="503 Busy"), OutcomeReason.ROBOTS_UNREACHABLE),
        (answer(status="408 Late"), OutcomeReason.ROBOTS_UNREACHABLE),
        (answer(status="204 Empty"), OutcomeReason.ROBOTS_UNREACHABLE),
        (answer(status="304 Not Modified"), OutcomeReason.ROBOTS_UNREACHABLE),
        (answer(b"x", headers={"Content-Encoding": "gzip"}), OutcomeReason.ROBOTS_UNREACHABLE),
        (answer(headers={"Content-Length": "9"}), OutcomeReason.ROBOTS_UNREACHABLE),
        (moved("ftp://x/"), OutcomeReason.ROBOTS_UNREACHABLE),
        (moved("http://10.0.0.1/robots.txt"), OutcomeReason.FORBIDDEN_ADDRESS),
        (answer(status="429 Slow", headers={"Retry-After": "9"}), OutcomeReason.RATE_LIMITED),
        (b"", OutcomeReason.UNREACHABLE),
        (hang, OutcomeReason.TIMEOUT),
    ],
)
async def test_nothing_is_asked_while_robots_txt_is_out_of_reach(
    robots: object, reason: OutcomeReason
) -> None:
    """No answer, or an error of the host: the listing is not asked for, and may be later."""
    async with (
        RawServer(says(answer(b"x")), robots=robots) as server,  # type: ignore[arg-type]
        fetcher_for(server.port, first_byte_s=0.1) as fetcher,
    ):
        failed = await failure(fetcher, server.url())
    assert failed.reason is reason
    assert failed.retryable is (reason is not OutcomeReason.FORBIDDEN_ADDRESS)
    assert server.requests == []


async def test_what_robots_txt_forbids_is_not_asked_for() -> None:
    """A forbidden path is BLOCKED and not asked for; others of the same host are."""
    async with (
        RawServer(says(answer(b"x")), robots=FORBIDS) as server,
        fetcher_for(server.port) as fetcher,
    ):
        failed = await failure(fetcher, server.url("/private/a.jpg"))
        await fetcher.fetch(listing(server.url("/public/a.jpg")))
    assert failed.reason is OutcomeReason.ROBOTS_DISALLOWED
    assert failed.state is OutcomeState.BLOCKED
    assert "127.0.0.1" in str(failed)
    assert len(server.requests) == 1
    assert len(server.robots_requests) == 1


async def test_every_hop_minds_the_rules_of_its_host() -> None:
    """A redirect to a path or a host that forbids it is not followed."""
    names = {name: [["127.0.0.1"]] for name in ("a.example", "b.example")}
    async with (
        RawServer(hang, robots=FORBIDS) as other,
        RawServer(hang) as server,
        fetcher_for(server.port, other.port, names=names) as fetcher,
    ):
        server._respond = by_path({"/x": moved(other.url("/private/x", host="b.example"))})
        failed = await failure(fetcher, server.url("/x", host="a.example"))
    assert failed.reason is OutcomeReason.ROBOTS_DISALLOWED
    assert failed.final_url == other.url("/private/x", host="b.example")
    assert other.requests == []
    assert len(other.robots_requests) == 1


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://127.0.0.2/a/b?c=d", OutcomeReason.FORBIDDEN_ADDRESS),
        ("http://93.184.216.34:22/a/b?c=d", OutcomeReason.BAD_URL),
        ("http://nowhere.example/a/b?c=d", OutcomeReason.NAME_UNRESOLVED),
    ],
)
async def test_what_fails_behind_a_redirect_says_so(target: str, reason: OutcomeReason) -> None:
    """The outcome names the address that a redirect led to, for a document as for an image."""
    async with (
        RawServer(says(moved(target))) as server,
        fetcher_for(server.port) as fetcher,
    ):
        failed = await failure(fetcher, server.url("/x"))
        with pytest.raises(FetchFailed) as other:
            await fetcher.fetch_document(DocumentRequest(server.url("/x")))
    for seen in (failed, other.value):
        assert (seen.reason, seen.final_url) == (reason, target)
        assert str(seen).startswith(f"it is redirected to {target.removesuffix('a/b?c=d')}: ")


async def test_a_redirect_of_robots_txt_is_none_of_the_listing() -> None:
    """The outcome says that it was robots.txt, and names no final address; nor does one without a redirect."""
    robots = moved("http://127.0.0.2/robots.txt")
    async with (
        RawServer(says(answer(b"x")), robots=robots) as server,
        fetcher_for(server.port) as fetcher,
    ):
        failed = await failure(fetcher, server.url("/x"))
        direct = await failure(fetcher, "http://127.0.0.2/")
    assert (failed.reason, failed.final_url) == (OutcomeReason.FORBIDDEN_ADDRESS, "")
    assert str(failed).startswith("the robots.txt of 127.0.0.1 is redirected to http://127.0.0.2/")
    assert (direct.final_url, "redirected" in str(direct)) == ("", False)


@pytest.mark.parametrize(("hops", "requests"), [(5, 1), (6, 1)])
async def test_redirects_of_robots_txt(hops: int, requests: int) -> None:
    """Five redirects are followed to the rules; more are as if there were none."""
    async with RawServer(hang) as server, fetcher_for(server.port) as fetcher:
        chain = {f"/{hop}": moved(f"/{hop + 1}") for hop in range(1, hops)}
        server._respond = by_path(chain | {f"/{hops}": FORBIDS, "/private": answer(b"x")})
        server._robots = says(moved("/1"))
        fetched: Fetched | FetchFailed
        try:
            fetched = await fetcher.fetch(listing(server.url("/private")))
        except FetchFailed as failed:
            fetched = failed
    if hops == 5:
        assert isinstance(fetched, FetchFailed)
        assert fetched.reason is OutcomeReason.ROBOTS_DISALLOWED
    else:
        assert isinstance(fetched, Fetched)
    assert len(server.robots_requests) == requests


async def test_only_the_start_of_a_long_robots_txt_is_read() -> None:
    """Of 10 MB the first 512 KiB are read, and the rest is not waited for."""
    sent = 0

    async def robots(_path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nUser-agent: *\nDisallow: /private\n"
        )
        for _ in range(150):
            writer.write(b"#" * 65_536)
            await writer.drain()
            sent += 65_536
        await hang("", writer)

    async with (
        RawServer(says(answer(b"x")), robots=robots) as server,
        fetcher_for(server.port) as fetcher,
    ):
        await fetcher.fetch(listing(server.url("/public")))
        failed = await failure(fetcher, server.url("/private"))
    assert failed.reason is OutcomeReason.ROBOTS_DISALLOWED
    # What was in flight when the connection was closed: the sockets' buffers.
    assert ROBOTS_MAX_BYTES - 65_536 < sent < 9_000_000


async def test_fifty_listings_ask_for_robots_txt_once() -> None:
    """Listings that come at once share one robots.txt."""
    async with RawServer(says(answer(b"x"))) as server, fetcher_for(server.port) as fetcher:
        urls = [server.url(f"/{number}") for number in range(50)]
        await asyncio.gather(*(fetcher.fetch(listing(url)) for url in urls))
    assert len(server.robots_requests) == 1
    assert len(server.requests) == 50


async def test_a_robots_txt_that_trickles_opens_the_breaker() -> None:
    """A host whose robots.txt never ends is left alone after five listings, as one that does not answer."""

    async def trickle(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"#")
            await writer.drain()
            await asyncio.sleep(0.01)

    limits = {"total_s": 0.1, "pace": PaceLimits(requests_per_s=1_000.0, first_pause_s=20.0)}
    async with (
        RawServer(says(answer(b"x")), robots=trickle) as server,
        fetcher_for(server.port, **limits) as fetcher,
    ):
        for _ in range(5):
            assert (await failure(fetcher, server.url())).reason is OutcomeReason.TIMEOUT
        assert fetcher.paces.wait_s("127.0.0.1") > 5


async def test_waiting_for_the_turn_of_robots_txt_costs_no_time_of_the_deadline() -> None:
    """A listing whose robots.txt waits for its host's turn has its whole deadline left."""
    names = {"a.example": [["127.0.0.1"]]}
    pace = PaceLimits(requests_per_s=2.0, burst=1)
    async with (
        RawServer(says(answer(b"x"))) as one,
        RawServer(says(answer(b"x"))) as other,
        fetcher_for(one.port, other.port, names=names, total_s=0.4, pace=pace) as fetcher,
    ):
        await fetcher.fetch(listing(one.url(host="a.example")))
        fetched = await fetcher.fetch(listing(other.url(host="a.example")))
    assert fetched.encoded == b"x"


async def test_ours_alone_is_asked_before_the_robots_txt() -> None:
    """A forbidden address or port is refused before its robots.txt is asked for."""
    async with RawServer(says(answer(b"x"))) as server, fetcher_for() as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert server.robots_requests == []


async def test_a_document_can_ask_for_a_gap() -> None:
    """Requests for an interface that wants few come one by one, its gap apart."""
    pace = PaceLimits(requests_per_s=1_000.0)
    async with (
        RawServer(says(answer(b"{}"))) as server,
        fetcher_for(server.port, pace=pace) as fetcher,
    ):
        request = DocumentRequest(server.url(), gap_s=0.15)
        await asyncio.gather(*(fetcher.fetch_document(request) for _ in range(3)))
    first, second, third = server.times
    assert min(second - first, third - second) >= 0.14
