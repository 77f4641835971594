from __future__ import annotations

import asyncio

import pytest

from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.web_client import Network
from services.crawler.outcome import FetchFailed, OutcomeReason
from tests.crawler.fetch.fake_resolver import SilentResolver
from tests.crawler.fetch.raw_server import RawServer, answer, hang, says
from tests.crawler.fetch.support import failure, fetcher_for, listing, policy_for

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


async def test_exactly_the_cap_passes() -> None:
    """A body of exactly the cap passes, one byte more does not; both with and without a stated length."""
    for count, passes in ((1_000, True), (1_001, False)):
        body = b"x" * count
        for whole in (answer(body), HEAD + b"Connection: close\r\n\r\n" + body):
            async with (
                RawServer(says(whole)) as server,
                fetcher_for(server.port, max_bytes=1_000) as fetcher,
            ):
                if passes:
                    assert (await fetcher.fetch(listing(server.url()))).encoded == body
                else:
                    failed = await failure(fetcher, server.url())
                    assert failed.reason is OutcomeReason.TOO_MANY_BYTES
                    assert "1,000" in str(failed)
                    assert failed.final_url == server.url()


async def test_a_stated_length_over_the_cap_is_not_read() -> None:
    """Ten stated gigabytes end at the head of the answer."""
    head = HEAD + b"Content-Length: 10000000000\r\n\r\n"

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await hang(path, writer)

    async with RawServer(respond) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason is OutcomeReason.TOO_MANY_BYTES
    assert "10,000,000,000" in str(failed)


async def test_an_endless_body_ends_at_the_cap() -> None:
    """A body without an end is cut off at the cap, not at the deadline."""
    sent = 0

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with (
        RawServer(respond) as server,
        fetcher_for(server.port, max_bytes=1_000_000) as fetcher,
    ):
        failed = await failure(fetcher, server.url())
    assert failed.reason is OutcomeReason.TOO_MANY_BYTES
    # What was in flight when it was cut off: the sockets' buffers.
    assert sent < 20_000_000


@pytest.mark.parametrize(
    "whole",
    [
        HEAD + b"Content-Length: 100\r\n\r\nshort",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ],
)
async def test_a_short_body_is_incomplete(whole: bytes) -> None:
    """A body that ends before its stated length, or loses its chunks, is INCOMPLETE and may be asked for again."""
    async with RawServer(says(whole)) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason is OutcomeReason.INCOMPLETE
    assert failed.retryable
    assert failed.final_url == server.url()


async def test_a_reset_within_the_body_is_no_crash() -> None:
    """A connection that is reset in the middle of a body is a failure that may be tried again."""

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 1_000)
        await writer.drain()
        writer.transport.abort()

    async with RawServer(respond) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason in (OutcomeReason.INCOMPLETE, OutcomeReason.UNREACHABLE)
    assert failed.retryable


async def test_a_body_beyond_its_stated_length_is_never_taken() -> None:
    """What comes after the stated length spoils the answer or is left out of it."""
    head = HEAD + b"Content-Length: 3\r\n\r\n"
    async with RawServer(says(head + b"abcdefgh")) as server, fetcher_for(server.port) as fetcher:
        try:
            assert (await fetcher.fetch(listing(server.url()))).encoded == b"abc"
        except FetchFailed as error:
            assert error.reason is OutcomeReason.SERVER_ERROR  # noqa: PT017 - either is right


async def trickle(writer: asyncio.StreamWriter, start: bytes, *, every_s: float) -> None:
    """Sends a byte at a time; the pace is the point."""
    writer.write(start)
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(every_s)


@pytest.mark.parametrize(
    ("limits", "start", "words"),
    [
        ({"first_byte_s": 0.05}, None, "nothing came from"),
        ({"total_s": 0.05}, None, "not complete within 0.05 s"),
        ({"total_s": 0.1}, HEAD + b"X: ", "not complete within 0.1 s"),
        ({"rate_window_s": 0.1, "min_bytes_per_s": 10_000.0}, HEAD + b"\r\n", "under the rate"),
        ({"total_s": 0.2, "min_bytes_per_s": 0.0}, HEAD + b"\r\n", "not complete within 0.2 s"),
    ],
)
async def test_slow_answers_run_out_of_time(
    limits: dict[str, float], start: bytes | None, words: str
) -> None:
    """Silence, slow headers, slow bodies and endless slow bodies each end at their own bound."""

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        if start is None:
            await hang(path, writer)
        else:
            await trickle(writer, start, every_s=0.005)

    async with RawServer(respond) as server, fetcher_for(server.port, **limits) as fetcher:
        failed = await asyncio.wait_for(failure(fetcher, server.url()), 3)
    assert failed.reason is OutcomeReason.TIMEOUT
    assert failed.retryable
    assert words in str(failed)


async def test_a_steady_body_outlives_the_rate_window() -> None:
    """A body that takes several windows but keeps the rate is read whole."""
    pieces = 40

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + f"Content-Length: {pieces * 1_000}\r\n\r\n".encode())
        for _ in range(pieces):
            writer.write(b"x" * 1_000)
            await writer.drain()
            await asyncio.sleep(0.02)

    limits = {"rate_window_s": 0.3, "min_bytes_per_s": 10.0}
    async with RawServer(respond) as server, fetcher_for(server.port, **limits) as fetcher:
        assert len((await fetcher.fetch(listing(server.url()))).encoded) == pieces * 1_000


async def test_the_deadline_covers_all_redirects() -> None:
    """Redirects that each stay within the deadline cannot stretch it."""

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        moved = {"Location": f"{path}x"}
        writer.write(answer(status="302 Found", headers=moved))

    limits = {"total_s": 0.12, "max_redirects": 50}
    async with RawServer(respond) as server, fetcher_for(server.port, **limits) as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason is OutcomeReason.TIMEOUT
    assert len(server.requests) <= 3


async def test_connecting_has_its_own_deadline() -> None:
    """A name server that is silent and a TLS handshake that never ends are UNREACHABLE in time."""
    async with RawServer(hang) as server:
        limits = FetchLimits(connect_s=0.05)
        async with Fetcher(
            policy=policy_for(),
            identity=Identity("0", "https://example.org/bot"),
            limits=limits,
            network=Network(resolver=SilentResolver()),
        ) as fetcher:
            lookup = await failure(fetcher, "http://slow.example/")
        async with fetcher_for(server.port, connect_s=0.05) as fetcher:
            handshake = await failure(fetcher, server.url(scheme="https"))
    for failed in (lookup, handshake):
        assert failed.reason is OutcomeReason.UNREACHABLE
        assert "within 0.05 s" in str(failed)
