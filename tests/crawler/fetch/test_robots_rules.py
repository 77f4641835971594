from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.fetch import robots_rules
from services.crawler.fetch.robots_rules import (
    CRAWL_DELAY_MAX_S,
    QUICK_COST_MAX,
    ROBOTS_MAX_BYTES,
    RobotsRules,
)
from services.crawler.fetch.url import parse_url

X = parse_url("http://h.example/x")


def rules(body: bytes | str) -> RobotsRules:
    encoded = body.encode() if isinstance(body, str) else body
    return RobotsRules.parse(encoded, status=200, fetch_time=1.0)


@pytest.mark.parametrize(
    ("body", "permitted"),
    [
        ("", True),
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow:", True),
        ("User-agent: *\nDisallow: /y", True),
        ("User-agent: *\nDisallow: /\nAllow: /x", True),
        ("User-agent: *\nDisallow: /*x$", False),
        ("User-agent: lodestone\nDisallow: /", False),
        ("User-agent: LODESTONE/9.9 (x)\nDisallow: /", False),
        ("User-agent: lodestone-images\nDisallow: /", True),
        ("User-agent: magnetic-lodestone\nDisallow: /", True),
        ("User-agent: lode\nDisallow: /", True),
        ("User-agent: another\nDisallow: /", True),
        ("User-agent: lodestone\nAllow: /\n\nUser-agent: *\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: lodestone\nDisallow: /y", True),
        ("User-agent: a\nUser-agent: lodestone\nUser-agent: b\nDisallow: /", False),
        ("User-agent: lodestone\nDisallow: /y\nUser-agent: b\nDisallow: /", True),
        ("user agent lodestone\ndisallow /", False),
        ("useragent: lodestone # that is us\nDisallow: / # all", False),
        ("USER-AGENT:*\nDISALLOW:/", False),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /", False),
        (b"User-agent: *\rDisallow: /\r", False),
        (b"User-agent: *\r\n\r\nDisallow: /\r\n", False),
        ("User-agent: *\u2028Disallow: /", False),
        (b"User-agent: *\x85Disallow: /", True),
        ("<html><body>User-agent: *\nDisallow: /x?</body></html>", True),
        ("Disallow: /", True),
        (b"#" * ROBOTS_MAX_BYTES + b"\nUser-agent: *\nDisallow: /", True),
        (b"#" * (ROBOTS_MAX_BYTES - 100) + b"\nUser-agent: *\nDisallow: /", False),
    ],
)
def test_permits(body: bytes | str, *, permitted: bool) -> None:
    """The group of our product token, else that of all, decides; what cannot be read says nothing."""
    assert rules(body).permits(X) is permitted


def test_no_robots_allows_everything() -> None:
    """Without a robots.txt everything is allowed, without a delay."""
    absent = RobotsRules(404, 1.0)
    assert absent.permits(X)
    assert absent.crawl_delay_s == 0.0


@pytest.mark.parametrize(
    ("lines", "delay_s"),
    [
        ("Crawl-delay: 2.5", 2.5),
        ("Crawl-delay: 0", 0.0),
        ("Crawl-delay: 1e9", CRAWL_DELAY_MAX_S),
        ("Crawl-delay: inf", 0.0),
        ("Crawl-delay: nan", 0.0),
        ("Crawl-delay: -5", 0.0),
        ("Crawl-delay: soon", 0.0),
        ("Crawl-delay: " + "9" * 5_000, 0.0),
        ("Request-rate: 1/10s", 10.0),
        ("Request-rate: 2/1m", 30.0),
        ("Request-rate: 1/10s\nCrawl-delay: 20", 20.0),
        ("Request-rate: 0/10", 0.0),
        ("Request-rate: 1/" + "9" * 30, CRAWL_DELAY_MAX_S),
    ],
)
def test_delays(lines: str, delay_s: float) -> None:
    """The longer of delay and rate, at most an hour; what is no finite number says nothing."""
    assert rules(f"User-agent: *\n{lines}\n").crawl_delay_s == delay_s
    assert rules(f"User-agent: another\n{lines}\n").crawl_delay_s == 0.0


_LINE = st.sampled_from(
    [
        *(
            "User-agent: *",
            "user agent lodestone",
            "Disallow: /",
            "Allow: /*x$",
            "Crawl-delay: 1e9",
        ),
        *(
            "Request-rate: 1/0",
            "Request-rate: 5/9d 2500-9999",
            "Visit-time: 1-2",
            "Sitemap: x",
            "#",
        ),
        *("Host:", "Disallow: " + "*" * 50, "Disallow: /%zz%", "User-agent:", "\ufeff", "é: ü"),
    ]
)
_BODY = st.binary() | st.lists(_LINE | st.text(max_size=20), max_size=12).map(
    lambda lines: "\n".join(lines).encode(errors="surrogatepass")
)


@given(_BODY)
def test_any_bytes_are_read(body: bytes) -> None:
    """Whatever a host sends, nothing is raised and the delay is within an hour."""
    read = rules(body)
    assert 0.0 <= read.crawl_delay_s <= CRAWL_DELAY_MAX_S
    assert read.permits(X) in (True, False)


@pytest.mark.parametrize("agent", ["User-agent: c{}", "user agent c{}", "useragent c{}"])
@pytest.mark.parametrize("line_end", ["\n", "\r", "\x0b", "\u2028", "\x1c"])
def test_many_crawlers_and_rules_take_little_time(
    agent: str, line_end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 crawlers × 20,000 rules, which are over a minute's work for the parser alone, take under 2 s."""
    lines = [agent.format(number) for number in range(20_000)]
    lines += [f"Disallow: /{number}" for number in range(20_000)]
    body = line_end.join([*lines, "User-agent: *", "Disallow: /x"])
    monkeypatch.setattr(robots_rules, "ROBOTS_MAX_BYTES", 10_000_000)
    began = time.process_time()
    read = rules(body)
    assert not read.permits(X)
    assert time.process_time() - began < 2.0


LONG = parse_url("http://h.example/" + "a" * 8_000)


@pytest.mark.parametrize(
    "rule",
    [
        f"/{'*a' * 3_000}b$",
        "/*a*b",
        "/*a*a*a*a*a*b",
        *(f"/*{'a' * count}{end}" for count in (12, 40, 80) for end in ("b", "ba")),
        "/" + "a" * 20,
    ],
)
def test_what_is_not_refused_takes_little_time(rule: str) -> None:
    """As many rules as are tried on a long URL take under a second; ten times as many are too long for it."""
    line = f"\nDisallow: {rule}b"
    count = 45_000 // len(line) if "*" in rule else 500_000 // len(line)
    read = rules("User-agent: *" + line * count)
    began = time.process_time()
    assert not read.is_too_long_for(LONG)
    assert read.permits(LONG)
    assert time.process_time() - began < 0.5
    assert rules("User-agent: *" + line * 10 * count).is_too_long_for(LONG) is ("*" in rule)


def test_what_is_refused_is_no_burden_to_usual_urls() -> None:
    """2,000 rules with wildcards are tried on a URL of 200 characters at once, those for others counted."""
    lines = "".join(f"\nDisallow: /*{number}$" for number in range(2_000))
    read = rules(f"User-agent: another{lines}\n\nUser-agent: *\nDisallow: /x")
    usual = parse_url("http://h.example/" + "a" * 180)
    assert read.cost(usual) <= QUICK_COST_MAX
    assert read.permits(usual)
    assert not rules("User-agent: *\n" * 40_000).is_too_long_for(LONG)
