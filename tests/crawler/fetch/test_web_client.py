from __future__ import annotations

import asyncio
import itertools

import pytest

from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.host_paces import HostResting
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.outcome import Fetched, FetchFailed, OutcomeReason
from tests.crawler.fetch.raw_server import RawServer, answer, hang, says
from tests.crawler.fetch.support import failure, fetcher_for, listing

# The clock of the server is not that of the client: a request may come in a little later than it was sent.
_LATE_S = 0.015


async def fetch_all(fetcher: Fetcher, url: str, count: int) -> list[Fetched | BaseException]:
    """What becomes of so many listings at once."""
    fetches = (fetcher.fetch(listing(f"{url}{number}")) for number in range(count))
    return await asyncio.gather(*fetches, return_exceptions=True)


async def test_gaps_and_concurrency_hold_at_the_server() -> None:
    """Thirty listings at once: the server sees a burst, then the gap, and never more than two at a time."""

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(answer(b"x"))

    pace = PaceLimits(requests_per_s=50.0, burst=3, connections=2)
    async with RawServer(respond) as server, fetcher_for(server.port, pace=pace) as fetcher:
        fetched = await fetch_all(fetcher, server.url("/"), 30)
    assert all(isinstance(one, Fetched) for one in fetched)
    assert server.busiest == 2
    for first, fourth in zip(server.times, server.times[3:], strict=False):
        assert fourth - first >= 0.02 - _LATE_S
    # One token was spent on robots.txt.
    assert server.times[-1] - server.times[0] >= 27 * 0.02 - _LATE_S


async def test_a_crawl_delay_holds_over_all_connections() -> None:
    """However many listings and connections: one at a time, and the delay between each two."""
    robots = answer(b"User-agent: *\nCrawl-delay: 0.1\n")
    pace = PaceLimits(requests_per_s=1_000.0, connections=4, burst=4)
    async with (
        RawServer(says(answer(b"x")), robots=robots) as server,
        fetcher_for(server.port, pace=pace) as fetcher,
    ):
        fetched = await fetch_all(fetcher, server.url("/"), 6)
    assert all(isinstance(one, Fetched) for one in fetched)
    assert server.busiest == 1
    assert len(server.times) == 6
    for one, other in itertools.pairwise(server.times):
        assert other - one >= 0.1 - _LATE_S


async def test_retry_after_rests_the_host() -> None:
    """After a 429 with a time nobody asks before it; the next listing is given back, not failed."""
    limited = answer(status="429 Too Many", headers={"Retry-After": "100"})
    async with RawServer(says(limited)) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url())
        with pytest.raises(HostResting) as resting:
            await fetcher.fetch(listing(server.url("/next")))
    assert failed.reason is OutcomeReason.RATE_LIMITED
    assert failed.retryable
    assert failed.retry_after_s == 100.0
    assert 90 < resting.value.wait_s <= 100
    assert len(server.requests) == 1


async def test_four_429s_in_a_row_pause_longer_each_time() -> None:
    """Without a time of its own each 429 pauses the host for twice as long, give or take the jitter."""
    limited = says(answer(status="429 Too Many"))
    pace = PaceLimits(requests_per_s=1_000.0, first_pause_s=0.05)
    async with RawServer(limited) as server, fetcher_for(server.port, pace=pace) as fetcher:
        rests = []
        for _ in range(4):
            assert (await failure(fetcher, server.url())).reason is OutcomeReason.RATE_LIMITED
            rests.append(fetcher.paces.wait_s("127.0.0.1"))
    for number, rest_s in enumerate(rests):
        whole_s = 0.05 * 2**number
        assert whole_s / 2 - _LATE_S <= rest_s <= whole_s
    for one, other, rest_s in zip(server.times, server.times[1:], rests, strict=False):
        assert other - one >= rest_s - _LATE_S


@pytest.mark.parametrize("kind", ["status", "silence", "stalled body", "closed"])
async def test_the_breaker_opens_after_five_failures(kind: str) -> None:
    """Five failures in a row, of whatever kind: the host is left alone."""
    responses = {
        "status": says(answer(status="500 Oh")),
        "silence": hang,
        "closed": says(),
    }

    async def stall(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        await hang(path, writer)

    limits = {
        "first_byte_s": 0.05,
        "patience_s": 0.05,
        "pace": PaceLimits(requests_per_s=1_000.0, first_pause_s=20.0),
    }
    respond = responses.get(kind, stall)
    async with RawServer(respond) as server, fetcher_for(server.port, **limits) as fetcher:
        for _ in range(5):
            await failure(fetcher, server.url())
        with pytest.raises(HostResting) as resting:
            await fetcher.fetch(listing(server.url()))
    assert 5 < resting.value.wait_s <= 20
    assert len(server.requests) == 5


async def test_one_request_tries_whether_a_host_is_back() -> None:
    """After the pause one request goes first; the others go when it was answered."""
    gate = asyncio.Event()
    broken = True

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        if not broken:
            await gate.wait()
        writer.write(answer(status="500 Oh") if broken else answer(b"x"))

    pace = PaceLimits(requests_per_s=1_000.0, first_pause_s=0.1)
    async with RawServer(respond) as server, fetcher_for(server.port, pace=pace) as fetcher:
        for _ in range(5):
            await failure(fetcher, server.url())
        broken = False
        waiting = asyncio.gather(*(fetcher.fetch(listing(server.url())) for _ in range(4)))
        async with asyncio.timeout(30):
            while len(server.requests) < 6:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(server.requests) == 6
        server_busiest, server.busiest = server.busiest, 0
        gate.set()
        assert [one.encoded for one in await waiting] == [b"x"] * 4
    assert server_busiest == 1


async def test_a_host_that_stays_broken_is_down() -> None:
    """After five failures and four pauses the host is not asked any more; another is."""
    pace = PaceLimits(requests_per_s=1_000.0, first_pause_s=0.01)
    names = {"broken.example": [["127.0.0.1"]], "well.example": [["127.0.0.1"]]}
    async with (
        RawServer(says(answer(status="500 Oh"))) as broken,
        RawServer(says(answer(b"x"))) as well,
        fetcher_for(broken.port, well.port, names=names, pace=pace) as fetcher,
    ):
        url = broken.url(host="broken.example")
        seen = [(await failure(fetcher, url)).reason for _ in range(12)]
        assert (await fetcher.fetch(listing(well.url(host="well.example")))).encoded == b"x"
    assert seen == [OutcomeReason.SERVER_ERROR] * 9 + [OutcomeReason.HOST_DOWN] * 3
    assert len(broken.requests) == 9


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "410 Gone"])
async def test_missing_images_are_no_trouble(status: str) -> None:
    """A host that has not what was asked for is well: nobody pauses it."""
    gone = says(answer(status=status))
    # Slow answers widen the gap a little; a pause would be a minute.
    pace = PaceLimits(requests_per_s=1_000.0, first_pause_s=60.0)
    async with RawServer(gone) as server, fetcher_for(server.port, pace=pace) as fetcher:
        failed = await fetch_all(fetcher, server.url("/"), 20)
    assert all(isinstance(one, FetchFailed) for one in failed)
    assert len(server.requests) == 20
    assert fetcher.paces.wait_s("127.0.0.1") < 20.0


async def test_slow_answers_widen_the_gap() -> None:
    """A host that answers slowly is asked less often."""

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(answer(b"x"))

    pace = PaceLimits(requests_per_s=1_000.0, burst=1, connections=4)
    async with RawServer(respond) as server, fetcher_for(server.port, pace=pace) as fetcher:
        await fetch_all(fetcher, server.url("/"), 1)
        await fetch_all(fetcher, server.url("/"), 4)
    # Half of the latency, since two are to be under way on average.
    for one, other in itertools.pairwise(server.times[1:]):
        assert other - one >= 0.05 - _LATE_S
