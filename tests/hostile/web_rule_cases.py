"""Hostile robots.txt files, opt-outs and certificates: 61-62."""

from __future__ import annotations

from tests.crawler.fetch.raw_server import answer, hang
from tests.hostile import certificates
from tests.hostile.web_answer_cases import coded, slowly, then_hang
from tests.hostile.web_case import RESTING, WebCase, picture

_DISALLOWED, _UNREACHABLE, _OPTED_OUT = "ROBOTS_DISALLOWED", "ROBOTS_UNREACHABLE", "OPTED_OUT"
_ALL = b"User-agent: *\nDisallow: /\n"
_TLS_URL = "https://site.example:{port}/x"


def _moved(location: str) -> bytes:
    return answer(status="301 Moved", headers={"Location": location})


def _flood() -> bytes:
    """As many crawlers and rules as fit, and a rule for all at the end."""
    agents = b"".join(b"user agent c%d\n" % number for number in range(14_000))
    rules = b"".join(b"Disallow: /%d*$\n" % number for number in range(14_000))
    return (agents + rules)[: 500 * 1_024] + b"\n" + _ALL


_ROBOTS = (
    WebCase("61", "robots.txt: 500", _UNREACHABLE, robots=answer(status="500 Oh"), requests=0),
    WebCase("61b", "robots.txt: 404", robots=answer(status="404 Not Found"), requests=1),
    WebCase("61c", "robots.txt: 403", robots=answer(status="403 Forbidden"), requests=1),
    WebCase(
        "61d",
        "robots.txt of 10 MB, allows all",
        robots=answer(b"User-agent: *\nAllow: /\n" + b"# x\n" * 2_500_000),
        requests=1,
    ),
    WebCase(
        "61e", "robots.txt: a loop: as if there were none", robots=_moved("/robots.txt"), requests=1
    ),
    WebCase(
        "61f",
        "robots.txt with a byte order mark",
        _DISALLOWED,
        robots=answer(b"\xef\xbb\xbf" + _ALL),
        requests=0,
    ),
    WebCase(
        "61g",
        "robots.txt: a delay of 10^9 s",
        RESTING,
        robots=answer(b"User-agent: *\nCrawl-delay: 1e9\n"),
        rests_s=(3_590, 3_600),
        requests=0,
    ),
    WebCase("61h", "robots.txt is HTML", robots=answer(b"<html>404</html>"), requests=1),
    WebCase(
        "61i",
        "robots.txt never comes",
        "TIMEOUT",
        robots=hang,
        limits={"first_byte_s": 0.3},
        requests=0,
    ),
    WebCase(
        "61j",
        "robots.txt a byte at a time",
        "TIMEOUT",
        robots=slowly(b"HTTP/1.1 200 OK\r\n\r\n"),
        limits={"total_s": 0.4},
        requests=0,
    ),
    WebCase(
        "61k",
        "robots.txt: 429",
        "RATE_LIMITED",
        robots=answer(status="429 Slow", headers={"Retry-After": "120"}),
        rests_s=(115, 120),
        requests=0,
    ),
    WebCase(
        "61l",
        "robots.txt: 302 to loopback",
        "FORBIDDEN_ADDRESS",
        robots=_moved("http://127.0.0.1:{trap}/"),
        requests=0,
    ),
    WebCase(
        "61m",
        "robots.txt: 302 to a file",
        _UNREACHABLE,
        robots=_moved("file:///etc/passwd"),
        requests=0,
    ),
    WebCase("61n", "robots.txt: closes", "UNREACHABLE", robots=b"", requests=0),
    WebCase("61o", "robots.txt forbids all", _DISALLOWED, robots=answer(_ALL), requests=0),
    WebCase(
        "61p",
        "robots.txt forbids us",
        _DISALLOWED,
        robots=answer(b"User-agent: Lodestone/9\nDisallow: /x"),
        requests=0,
    ),
    WebCase(
        "61q",
        "robots.txt forbids another",
        robots=answer(b"User-agent: x\nDisallow: /"),
        requests=1,
    ),
    WebCase(
        "61r",
        "robots.txt with NUL and odd line breaks",
        _DISALLOWED,
        robots=answer(b"\x00\r\r\xc2\x85" + b"User-agent: *\rDisallow: /\r"),
        requests=0,
    ),
    WebCase(
        "61s",
        "robots.txt of 14,000 crawlers and rules",
        _DISALLOWED,
        robots=answer(_flood()),
        requests=0,
    ),
    WebCase(
        "61t",
        "robots.txt forbids all after 512 KiB",
        robots=answer(b"#" * 600_000 + b"\n" + _ALL),
        requests=1,
    ),
    WebCase(
        "61u",
        "robots.txt with a rule of 3,000 wildcards",
        url="http://site.example:{port}/" + "a" * 8_000,
        robots=answer(b"User-agent: *\nDisallow: /" + b"*a" * 3_000 + b"b$\n"),
        requests=1,
    ),
    WebCase(
        "61M",
        "robots.txt of 20,000 rules with 6 wildcards, and a long URL",
        _DISALLOWED,
        url="http://site.example:{port}/" + "a" * 8_000,
        robots=answer(b"User-agent: *\n" + b"Disallow: /*a*a*a*a*a*b\n" * 20_000),
        requests=0,
    ),
    WebCase("61v", "robots.txt: gzip", _UNREACHABLE, robots=coded(b"x", "gzip"), requests=0),
    WebCase("61w", "robots.txt: 503", _UNREACHABLE, robots=answer(status="503 Busy"), requests=0),
    WebCase(
        "61x",
        "robots.txt is cut short",
        _UNREACHABLE,
        robots=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nUser",
        requests=0,
    ),
    WebCase(
        "61y",
        "robots.txt is no HTTP",
        _UNREACHABLE,
        robots=b"SSH-2.0-OpenSSH_9\r\n\r\n",
        requests=0,
    ),
    WebCase("61z", "robots.txt is binary", robots=answer(bytes(range(256)) * 1_000), requests=1),
)


def _tagged(number: str, name: str, tag: str, expected: str = _OPTED_OUT) -> WebCase:
    """An answer with an X-Robots-Tag; where it opts out its body never comes."""
    head = answer(headers={"X-Robots-Tag": tag, "Content-Length": str(len(picture()))})
    if expected == _OPTED_OUT:
        return WebCase(number, name, expected, site=then_hang(head), requests=1)
    return WebCase(number, name, expected, site=head + picture(), requests=1)


_TAGS = (
    _tagged("61A", "X-Robots-Tag: noai, and no body", "noai"),
    _tagged("61B", "X-Robots-Tag: noimageai", "noimageai"),
    _tagged("61C", "X-Robots-Tag: noindex in capitals", "NoArchive, NOINDEX"),
    _tagged("61D", "X-Robots-Tag: none", "none"),
    _tagged("61E", "X-Robots-Tag for us", "lodestone: noindex"),
    _tagged("61F", "X-Robots-Tag, the second header", "all\r\nX-Robots-Tag: noai"),
    _tagged(
        "61G", "X-Robots-Tag behind a date", "unavailable_after: 1 Jan 2031 00:00:00 GMT, noai"
    ),
    _tagged("61H", "X-Robots-Tag for another crawler", "otherbot: noindex", "FETCHED"),
    _tagged("61I", "X-Robots-Tag of other words", "nosnippet, max-image-preview: large", "FETCHED"),
    _tagged("61J", "X-Robots-Tag for us behind another's", "otherbot: nofollow, lodestone: noai"),
    _tagged("61K", "X-Robots-Tag that may be for all", "otherbot: nofollow, noai"),
    _tagged("61L", "X-Robots-Tag behind 7,000 letters", "x" * 7_000 + ", noai"),
)

_UNTRUSTED = (
    ("62", certificates.EXPIRED),
    ("62b", certificates.WRONG_HOST),
    ("62c", certificates.SELF_SIGNED),
    ("62f", certificates.STRANGER),
    ("62g", certificates.EARLY),
)

_TLS = (
    *(
        WebCase(number, f"TLS: {kind}", "TLS_FAILED", _TLS_URL, tls=kind, requests=0)
        for number, kind in _UNTRUSTED
    ),
    WebCase("62h", "TLS: a good certificate", url=_TLS_URL, tls=certificates.GOOD, requests=1),
    WebCase(
        "62i",
        "TLS: a certificate for the name, asked by address",
        "TLS_FAILED",
        "https://127.0.0.1:{port}/x",
        tls=certificates.GOOD,
        requests=0,
    ),
    WebCase("62d", "TLS 1.0", "TLS_FAILED", _TLS_URL, first=certificates.speak_tls_1_0),
    WebCase("62e", "TLS 1.1", "TLS_FAILED", _TLS_URL, first=certificates.speak_tls_1_1),
    WebCase(
        "62j",
        "TLS: plain HTTP at the port",
        "TLS_FAILED",
        _TLS_URL,
        first=lambda _hello: answer(status="400 Bad Request"),
    ),
    WebCase(
        "62k",
        "HTTP: TLS at the port",
        "UNREACHABLE",
        tls=certificates.GOOD,
        requests=0,
    ),
)

RULE_CASES: tuple[WebCase, ...] = (*_ROBOTS, *_TAGS, *_TLS)
