from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.hostile.site_log import ROBOTS, Manners, Request, Rule, breaches, busiest, read_log

MANNERS = Manners(max_concurrency=2, min_gap_s=0.5, slack_s=0.05)


def request(start_s, path="/1.jpg", *, took_s=0.1, host="a.example", **facts):
    return Request(host, path, start_s, start_s + took_s, **facts)


POLITE = (
    request(0.0, ROBOTS, disallow=("/private/",)),
    request(0.5),
    request(1.0, "/2.jpg", took_s=0.9),
    request(1.5, "/3.jpg", took_s=0.7),
    request(2.5, "/4.jpg", status=429, retry_after_s=3),
    request(5.7, "/4.jpg"),
    request(0.01, ROBOTS, host="b.example", status=404),
    request(0.6, host="b.example"),
)


def broken(requests, manners=MANNERS):
    return [(breach.rule, breach.request.path) for breach in breaches(requests, manners)]


def test_a_polite_crawl_breaks_nothing():
    """Every rule at its bound is kept."""
    assert broken(POLITE) == []


@pytest.mark.parametrize(
    ("extra", "rule"),
    [
        (request(6.2, "/private/5.jpg"), Rule.DISALLOWED),
        (request(5.9, "/5.jpg"), Rule.GAP),
        (request(4.0, "/5.jpg"), Rule.RETRY_AFTER),
        (request(0.55, "/5.jpg", host="c.example"), Rule.ROBOTS_FIRST),
        (request(0.05, "/5.jpg", host="b.example"), Rule.ROBOTS_FIRST),
    ],
)
def test_one_impolite_request_is_caught(extra, rule):
    """One request too early or to the wrong path is found, whatever surrounds it."""
    assert (rule, extra.path) in broken([*POLITE, extra])


def test_more_at_a_time_than_the_cap():
    """The request that crosses the cap is named, and not those before it."""
    crowd = [request(0.0, ROBOTS), *(request(float(n), f"/{n}.jpg", took_s=9) for n in range(1, 4))]
    assert broken(crowd) == [(Rule.CONCURRENCY, "/3.jpg")]
    assert busiest(crowd) == {"a.example": 3}


def test_hosts_have_nothing_to_do_with_each_other():
    """The same times on different hosts break nothing."""
    requests = [
        request(start_s, path, host=f"h{number}.example", took_s=0.4)
        for number in range(9)
        for start_s, path in ((0.0, ROBOTS), (0.5, "/1.jpg"), (1.0, "/2.jpg"))
    ]
    assert broken(requests) == []


def test_a_crawl_delay_is_a_gap():
    """It counts where it is longer than the configured gap, and only on its host."""
    robots = request(0.0, ROBOTS, crawl_delay_s=2.0)
    assert broken([robots, request(2.0), request(4.0)]) == []
    assert broken([robots, request(2.0), request(3.0, "/2.jpg")]) == [(Rule.GAP, "/2.jpg")]
    other = request(0.0, ROBOTS, host="b.example")
    assert broken([robots, other, request(0.5, host="b.example")]) == []


def test_a_gap_from_robots_txt_counts():
    """The first page may not follow robots.txt at once."""
    assert broken([request(0.0, ROBOTS), request(0.2)]) == [(Rule.GAP, "/1.jpg")]


def test_retry_after_counts_from_the_end_of_the_answer():
    """It binds the whole host; what crossed the answer on its way is forgiven."""
    refused = request(1.0, took_s=0.5, status=429, retry_after_s=2.0)
    manners = replace(MANNERS, min_gap_s=0.0)
    start = [request(0.0, ROBOTS), refused]
    assert broken([*start, request(1.2, "/2.jpg")], manners) == []
    assert broken([*start, request(1.52, "/2.jpg")], manners) == []
    assert broken([*start, request(1.6, "/2.jpg")], manners) == [(Rule.RETRY_AFTER, "/2.jpg")]
    assert broken([*start, request(3.3, "/2.jpg")], manners) == [(Rule.RETRY_AFTER, "/2.jpg")]
    assert broken([*start, request(3.5, "/2.jpg")], manners) == []


def test_the_newest_robots_txt_counts():
    """What an older one forbade or allowed is forgotten."""
    manners = replace(MANNERS, min_gap_s=0.0)
    before, after = request(0.0, ROBOTS, disallow=("/",)), request(2.0, ROBOTS, disallow=("/x/",))
    requests = [before, request(1.0), after, request(3.0), request(4.0, "/x/1.jpg")]
    assert broken(requests, manners) == [(Rule.DISALLOWED, "/1.jpg"), (Rule.DISALLOWED, "/x/1.jpg")]


def test_a_robots_txt_that_was_not_waited_for():
    """A client that went before the answer does not know it."""
    gone = request(0.0, ROBOTS, status=0)
    assert broken([gone, request(1.0)]) == [(Rule.ROBOTS_FIRST, "/1.jpg")]


def test_a_request_that_was_given_up_makes_room():
    """The site sees a moment later that the client has gone than the client does."""
    robots = request(0.0, ROBOTS)
    manners = Manners(max_concurrency=1, slack_s=0.05)
    given_up = request(1.0, "/1.jpg", took_s=1.0, status=0)
    assert broken([robots, given_up, request(1.98, "/2.jpg")], manners) == []
    assert broken([robots, given_up, request(1.9, "/2.jpg")], manners) == [
        (Rule.CONCURRENCY, "/2.jpg")
    ]


def test_reading_a_log(tmp_path):
    """Lines come in the order of their ends, requests in that of their starts."""
    log = tmp_path / "log.jsonl"
    lines = [
        {"host": "a", "path": "/1.jpg", "start_s": 2.0, "end_s": 2.1, "status": 429,
         "retry_after_s": 2},
        {"host": "a", "path": ROBOTS, "start_s": 1.0, "end_s": 2.5, "status": 200,
         "disallow": ["/x/"], "crawl_delay_s": None},
    ]  # fmt: skip
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    robots, image = read_log(log)
    assert robots == Request("a", ROBOTS, 1.0, 2.5, 200, None, ("/x/",), None)
    assert image.retry_after_s == 2
