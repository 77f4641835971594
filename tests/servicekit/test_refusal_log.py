from __future__ import annotations

import structlog

from services.servicekit.refusal_log import RefusalLog

PERSON, CRAWLER = "spiffe://lodestone/person", "spiffe://lodestone/crawler"


class Knocking:
    """A log with a clock that a test sets."""

    def __init__(self):
        self.now_s = 0.0
        self.log = RefusalLog(lambda: self.now_s)

    def knock(self, *names, host="ipv4:127.0.0.1", port=41_000, times=1):
        """The lines of so many refusals, each over a connection of its own."""
        with structlog.testing.capture_logs() as lines:
            for number in range(times):
                peer = f"{host}:{port + number}"
                self.log.note("may not", method="FitProfile", names=names, peer=peer)
        return lines


def test_a_refusal_is_a_line_that_says_who_called_what_from_where():
    """As a warning."""
    assert Knocking().knock(PERSON) == [
        {
            "event": "call_refused",
            "log_level": "warning",
            "cause": "may not",
            "method": "FitProfile",
            "caller": PERSON,
            "peer": "ipv4:127.0.0.1:41000",
            "untold": 0,
        }
    ]


def test_one_caller_is_told_of_once_in_ten_seconds():
    """The next line counts those between."""
    knocking = Knocking()
    assert len(knocking.knock(PERSON, times=50)) == 1
    knocking.now_s = 9.9
    assert knocking.knock(PERSON) == []
    knocking.now_s = 10.0
    [line] = knocking.knock(PERSON)
    assert line["untold"] == 50
    knocking.now_s = 20.0
    [line] = knocking.knock(PERSON)
    assert line["untold"] == 0


def test_callers_are_told_apart_by_name_and_host():
    """One that knocks on and on hides no other."""
    knocking = Knocking()
    knocking.knock(PERSON, times=50)
    assert len(knocking.knock(CRAWLER, times=2)) == 1
    assert len(knocking.knock(PERSON, host="ipv4:10.0.0.7", times=2)) == 1
    assert len(knocking.knock(times=2)) == 1


def test_any_number_of_callers_takes_room_for_a_thousand():
    """The one that was told longest ago is forgotten first."""
    knocking = Knocking()
    for number in range(1_001):
        knocking.knock(f"spiffe://elsewhere/{number}")
    assert len(knocking.knock("spiffe://elsewhere/1000")) == 0
    assert len(knocking.knock("spiffe://elsewhere/0")) == 1


def test_a_long_name_is_cut():
    """A line stays one."""
    [line] = Knocking().knock("spiffe://lodestone/" + "x" * 10_000)
    assert len(line["caller"]) == 200
