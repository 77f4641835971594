from __future__ import annotations

import socket
from collections import Counter
from string import ascii_letters

import pytest

from tests.hostile.security_page import table_in_page
from tests.hostile.web_case import WebCase
from tests.hostile.web_cases import WEB_CASES
from tests.hostile.web_run import Seen, run_case
from tests.hostile.web_table import web_table

_SENT = {"accept", "accept-encoding", "host", "user-agent"}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """The outcomes seen so far, by the number of the case."""
    return {}


@pytest.fixture
def proxy_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A free port that the environment calls its proxy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    return port


@pytest.mark.parametrize("case", WEB_CASES, ids=lambda case: case.number)
async def test_hostile_web(case: WebCase, outcomes: dict[str, str], request: pytest.FixtureRequest):
    """The expected outcome, in time, with nothing said to anybody but the site and the name server."""
    proxy_port = request.getfixturevalue("proxy_port") if case.proxied else 0
    seen = await run_case(case, proxy_port=proxy_port)
    outcomes[case.number] = seen.outcome
    assert seen.outcome == case.expected, seen.message
    _check_message(seen)
    _check_contacts(case, seen)
    assert seen.seconds <= seen.deadline_s + 1
    if case.rests_s is not None:
        assert case.rests_s[0] <= seen.rests_s <= case.rests_s[1]


def _check_message(seen: Seen) -> None:
    """One line that a person can read, and no error that went uncaught."""
    assert not seen.errors
    assert len(seen.message) < 600
    assert "\n" not in seen.message
    assert "Traceback" not in seen.message


def _check_contacts(case: WebCase, seen: Seen) -> None:
    assert not seen.trapped
    assert not seen.strays
    assert not seen.system_names
    if case.names is not None:
        assert tuple(seen.names) == case.names
    if case.requests is not None:
        assert len(seen.requests) == case.requests
    for head in seen.requests:
        lines = head.split("\r\n")
        assert {line.partition(":")[0].lower() for line in lines[1:] if line} == _SENT


def test_numbers_are_unique_and_all_traps_are_there() -> None:
    """Traps 1 to 62 each have a case, and no number stands twice."""
    numbers = Counter(case.number for case in WEB_CASES)
    assert numbers.most_common(1)[0][1] == 1
    assert {int(number.rstrip(ascii_letters)) for number in numbers} == set(range(1, 63))


def test_the_page_says_what_was_seen(outcomes: dict[str, str]) -> None:
    """The first table of docs/security.md has these cases, what is expected of them, and what was seen."""
    seen = {case.number: outcomes.get(case.number, case.expected) for case in WEB_CASES}
    assert table_in_page("web") == web_table(seen), "run python -m tests.hostile.security_page"
