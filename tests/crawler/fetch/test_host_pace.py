from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.fetch.host_pace import HostPace
from services.crawler.fetch.pace_limits import PaceLimits

NEVER = random.Random()
NEVER.uniform = lambda low, high: high  # type: ignore[method-assign]


def new_pace(**limits: float) -> HostPace:
    """A pace whose jitter is always 1."""
    return HostPace(PaceLimits(**limits), jitter=NEVER)  # type: ignore[arg-type]


def starts(pace: HostPace, count: int, *, latency_s: float = 0.0) -> list[float]:
    """When requests start, each as soon as it may, the last one having ended."""
    times, now = [], 0.0
    for _ in range(count):
        now = max(now, pace.ready_time())
        pace.start(now)
        times.append(round(now, 6))
        now += latency_s
        pace.end(now)
    return times


@pytest.mark.parametrize(
    ("limits", "delay_s", "times"),
    [
        ({"requests_per_s": 4.0, "burst": 4}, 0.0, [0, 0, 0, 0, 0.25, 0.5, 0.75]),
        ({"requests_per_s": 4.0, "burst": 1}, 0.0, [0, 0.25, 0.5, 0.75]),
        ({"requests_per_s": 10.0, "burst": 2}, 0.0, [0, 0, 0.1, 0.2]),
        ({"requests_per_s": 4.0, "burst": 4}, 3.0, [0, 3, 6, 9]),
        ({"requests_per_s": 1.0, "burst": 1}, 0.5, [0, 1, 2]),
    ],
)
def test_when_requests_start(limits: dict[str, float], delay_s: float, times: list[float]) -> None:
    """A burst at first, then the gap; with a delay of the host's no burst, and the longer of both gaps."""
    pace = new_pace(**limits)
    pace.set_crawl_delay(delay_s)
    assert starts(pace, len(times)) == times


def test_tokens_come_back_with_rest() -> None:
    """After a rest the bucket is full again, and never more than full."""
    pace = new_pace(requests_per_s=1.0, burst=3)
    assert starts(pace, 3) == [0, 0, 0]
    for now in (100.0, 100.0, 100.0):
        assert pace.ready_time() <= now
        pace.start(now)
    assert pace.ready_time() == 101.0


def test_connections() -> None:
    """So many requests at a time; one while the host asks for a delay or comes back from a pause."""
    pace = new_pace(connections=2, burst=9)
    pace.start(0.0)
    assert not pace.is_full()
    pace.start(0.0)
    assert pace.is_full()
    pace.end(0.0)
    assert not pace.is_full()
    pace.set_crawl_delay(1.0)
    assert (pace.connections, pace.is_full()) == (1, True)
    pace.set_crawl_delay(0.0)
    pace.pause(0.0, None)
    assert pace.connections == 1
    pace.record_answer()
    assert pace.connections == 2


@pytest.mark.parametrize(
    ("answers", "gap_s"),
    [
        ([], 0.25),
        ([(4.0, True)], 2.0),
        ([(4.0, False)], 2.0),
        ([(4.0, True), (0.0, True)], 1.0),
        ([(4.0, True), (0.0, True), (0.0, True)], 0.5),
        ([(4.0, True), (0.0, False)], 2.0),
        ([(0.0, True)] * 20, 0.25),
        ([(1_000.0, True)], 60.0),
    ],
)
def test_slow_hosts_are_asked_less_often(answers: list[tuple[float, bool]], gap_s: float) -> None:
    """The gap follows latency ÷ 2 up at once and down by halves; other answers than good ones do not shorten it."""
    pace = new_pace()
    for latency_s, good in answers:
        pace.record_latency(latency_s, good=good)
    assert pace.gap_s == pytest.approx(gap_s)


@pytest.mark.parametrize(
    ("asked_s", "pause_s"),
    [(None, 5.0), (0.0, 5.0), (2.0, 5.0), (120.0, 120.0), (1e9, 3_600.0)],
)
def test_a_pause_is_as_long_as_asked_for(asked_s: float | None, pause_s: float) -> None:
    """As long as the host asks, our own pause at least, an hour at most."""
    pace = new_pace()
    pace.pause(100.0, asked_s)
    assert pace.ready_time() == 100.0 + pause_s


def test_pauses_double_until_an_answer() -> None:
    """Each pause is twice as long as the last, an hour at most; after an answer it begins anew."""
    pace, now, seen = new_pace(breaker_pauses=100), 0.0, []
    for _ in range(12):
        pace.pause(now, None)
        seen.append(pace.ready_time() - now)
        now = pace.ready_time()
    assert seen[:4] == [5.0, 10.0, 20.0, 40.0]
    assert seen[-1] == 3_600.0
    pace.record_answer()
    pace.pause(now, None)
    assert pace.ready_time() - now == pytest.approx(5.0)


def test_answers_under_way_belong_to_the_same_pause() -> None:
    """What comes in during a pause may make it longer and does not double it."""
    pace = new_pace()
    pace.pause(0.0, None)
    pace.pause(1.0, None)
    assert pace.ready_time() == 5.0
    pace.pause(1.0, 30.0)
    assert pace.ready_time() == 31.0
    pace.pause(31.0, None)
    assert pace.ready_time() == 41.0


def test_jitter_spreads_pauses() -> None:
    """Pauses of many hosts lie between half and the whole of their length, and differ."""
    seen = set()
    for seed in range(50):
        pace = HostPace(PaceLimits(), jitter=random.Random(seed))
        pace.pause(0.0, None)
        seen.add(pace.ready_time())
    assert len(seen) == 50
    assert all(2.5 <= pause_s <= 5.0 for pause_s in seen)


def test_the_breaker_opens_and_lets_one_through() -> None:
    """After five failures in a row a pause, then one request; its failure is enough for the next, twice as long."""
    pace = new_pace()
    for _ in range(4):
        pace.record_failure(0.0)
    assert pace.ready_time() <= 0.0
    pace.record_failure(0.0)
    assert pace.ready_time() == 5.0
    pace.start(5.0)
    assert pace.is_full()
    pace.end(6.0)
    pace.record_failure(6.0)
    assert pace.ready_time() == 16.0
    assert not pace.is_down(16.0)


def test_an_answer_closes_the_breaker() -> None:
    """Failures that are not in a row open nothing."""
    pace = new_pace()
    for _ in range(10):
        for _ in range(4):
            pace.record_failure(0.0)
        pace.record_answer()
    assert pace.ready_time() <= 0.0
    assert pace.connections == 4


def test_a_host_is_down_after_its_pauses() -> None:
    """The failure after four pauses makes it count as down for an hour; then it begins anew."""
    pace, now = new_pace(), 0.0
    for _ in range(5):
        pace.record_failure(now)
    for _ in range(3):
        now = pace.ready_time()
        pace.record_failure(now)
        assert not pace.is_down(now)
    now = pace.ready_time()
    pace.record_failure(now)
    assert pace.is_down(now)
    assert pace.is_down(now + 3_599.0)
    assert not pace.is_down(now + 3_600.0)
    pace.record_failure(now + 3_600.0)
    assert not pace.is_down(now + 3_600.0)


def test_what_may_be_forgotten() -> None:
    """A host that is under way, paused, down or was just asked is remembered."""
    pace = new_pace(max_gap_s=60.0)
    pace.start(0.0)
    assert not pace.is_idle(1_000.0)
    pace.end(0.0)
    assert not pace.is_idle(60.0)
    assert pace.is_idle(61.0)
    pace.pause(61.0, 3_600.0)
    assert not pace.is_idle(3_000.0)
    assert pace.is_idle(3_700.0)


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "end", "answer", "failure", "pause", "delay"]),
        st.floats(0, 10),
        st.sampled_from([None, 0.0, 1.0, 1e9]),
    ),
    max_size=60,
)


@given(_EVENTS, st.integers(1, 4), st.integers(1, 4))
def test_no_events_break_the_bounds(  # noqa: C901 - a case for each event
    events: list[tuple[str, float, float | None]], connections: int, burst: int
) -> None:
    """Who starts only when it may has never too many requests under way, nor more starts than tokens and time give."""
    limits = PaceLimits(connections=connections, burst=burst)
    pace = HostPace(limits, jitter=random.Random(0))
    now, active, started = 0.0, 0, []
    for word, passes_s, asked_s in events:
        now += passes_s
        match word:
            case "start":
                now = max(now, pace.ready_time())
                if not pace.is_full() and not pace.is_down(now):
                    pace.start(now)
                    active += 1
                    started.append(now)
                    assert active <= connections
            case "end" if active:
                pace.end(now)
                active -= 1
            case "answer":
                pace.record_latency(passes_s, good=asked_s is None)
                pace.record_answer()
            case "failure":
                pace.record_failure(now)
            case "pause":
                pace.pause(now, asked_s)
                assert pace.ready_time() <= now + limits.max_pause_s + burst * pace.gap_s
            case "delay":
                pace.set_crawl_delay(min(asked_s or 0.0, 3_600.0))
    shortest_s = 1.0 / limits.requests_per_s
    for index in range(len(started)):
        for later in range(index + burst, len(started)):
            least_s = (later - index - burst + 1) * shortest_s
            assert started[later] - started[index] >= least_s - 1e-6
