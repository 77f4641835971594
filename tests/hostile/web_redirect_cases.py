"""Hostile redirects: 20-23, and those of 51."""

from __future__ import annotations

import itertools

from tests.crawler.fetch.raw_server import answer
from tests.hostile.certificates import GOOD
from tests.hostile.web_case import WebCase, image

_FORBIDDEN, _BAD = "FORBIDDEN_ADDRESS", "BAD_URL"


def moved(location: str, status: str = "302 Found") -> bytes:
    """A redirect."""
    return answer(status=status, headers={"Location": location})


def _chain(hops: int) -> dict[str, bytes]:
    steps = ["/x", *(f"/{hop}" for hop in range(1, hops)), "/end"]
    hop_answers = {at: moved(to) for at, to in itertools.pairwise(steps)}
    return hop_answers | {"/end": image()}


_LOCATIONS = (
    ("20", "to loopback", _FORBIDDEN, "http://127.0.0.1:{trap}/"),
    ("20b", "to a file", _BAD, "file:///etc/passwd"),
    ("20c", "to ftp", _BAD, "ftp://site.example/x"),
    ("20d", "to data", _BAD, "data:image/png;base64,AAAA"),
    ("20e", "to gopher", _BAD, "gopher://127.0.0.1:{trap}/_x"),
    ("20f", "to a host after backslashes", _BAD, "\\\\127.0.0.1:{trap}\\x"),
    ("20g", "to another host without a scheme", _FORBIDDEN, "//127.0.0.2:{port}/"),
    ("20h", "to metadata", _FORBIDDEN, "http://169.254.169.254/latest/meta-data/"),
    ("20i", "to an IPv4-mapped address", _FORBIDDEN, "http://[::ffff:10.0.0.1]/"),
    ("20j", "to a name of metadata", _FORBIDDEN, "http://metadata.google.internal/"),
    ("20k", "to a script", _BAD, "javascript:alert(1)"),
    ("20l", "to credentials", _BAD, "http://user:pw@site.example:{port}/"),
    ("20m", "to the port of SSH", _BAD, "http://93.184.216.34:22/"),
    ("20n", "to localhost", _FORBIDDEN, "http://localhost:{trap}/"),
    ("20o", "to a number", _FORBIDDEN, "http://2130706433:{trap}/"),
    ("20p", "to a name with a forbidden answer", _FORBIDDEN, "http://mixed.example:{port}/"),
    ("20q", "to nowhere", "SERVER_ERROR", ""),
    ("20r", "to a URL of 8,300 characters", "SERVER_ERROR", "/" + "x" * 8_300),
    ("20s", "to a name that does not exist", "NAME_UNRESOLVED", "http://nowhere.example/"),
    ("20t", "to an unreadable URL", _BAD, "http://[::1"),
    ("20u", "to a port in letters", _BAD, "http://site.example:x/"),
)

REDIRECT_CASES: tuple[WebCase, ...] = (
    *(
        WebCase(number, f"302 {name}", reason, site=moved(location), requests=1)
        for number, name, reason, location in _LOCATIONS
    ),
    WebCase("20v", "302 to a path", site={"/x": moved("y?a=b#c"), "/y?a=b": image()}, requests=2),
    WebCase(
        "20w",
        "302 to a path with blanks around and within",
        site={"/x": moved("  /a b  "), "/a%20b": image()},
        requests=2,
    ),
    WebCase(
        "20x",
        "a redirect without a Location",
        "SERVER_ERROR",
        site=answer(status="301 Moved Permanently"),
    ),
    WebCase(
        "20y",
        "300 with a choice",
        "SERVER_ERROR",
        site=moved("http://127.0.0.1:{trap}/", "300 Multiple Choices"),
    ),
    WebCase("21", "six redirects", "TOO_MANY_REDIRECTS", site=_chain(6), requests=6),
    WebCase("21b", "five redirects", site=_chain(5), requests=6),
    WebCase("22", "a loop", "TOO_MANY_REDIRECTS", site=moved("/x"), requests=6),
    WebCase(
        "22b",
        "a loop over two hosts",
        "TOO_MANY_REDIRECTS",
        site={
            "/x": moved("http://other.example:{port}/y"),
            "/y": moved("http://site.example:{port}/x"),
        },
        requests=6,
    ),
    WebCase(
        "23",
        "from https to http",
        _BAD,
        "https://site.example:{port}/x",
        site=moved("http://site.example:{port}/y"),
        tls=GOOD,
        requests=1,
    ),
    WebCase(
        "23b",
        "an HTML page that refreshes to loopback",
        "UNSUPPORTED_FORMAT",
        site=answer(b'<meta http-equiv="refresh" content="0;url=http://127.0.0.1/">'),
        requests=1,
    ),
    WebCase(
        "23c", "a Refresh header", site=image(Refresh="0;url=http://127.0.0.1:{trap}/"), requests=1
    ),
    WebCase(
        "23d",
        "cookies set on the way: none is sent",
        site={
            "/x": answer(
                status="302 Found",
                headers={"Location": "http://other.example:{port}/y", "Set-Cookie": "a=b"},
            ),
            "/y": image(),
        },
        requests=2,
    ),
    WebCase(
        "23e",
        "Alt-Svc and Link point at loopback: neither is asked",
        site=image(Alt_Svc='h2="127.0.0.1:{trap}"', Link="<http://127.0.0.1:{trap}/>; rel=preload"),
        requests=1,
    ),
    *(
        WebCase(
            number,
            f"a redirect to {name}: it is not asked for",
            "PLACEHOLDER",
            site=moved(location),
            requests=1,
            names=("site.example",),
        )
        for number, name, location in (
            ("51c", "Imgur's picture for removed ones", "https://i.imgur.com/removed.png"),
            ("51d", "Flickr's", "https://s.yimg.com/pw/images/en-us/photo_unavailable.png"),
            ("51e", "Flickr's, of 2009", "http://l.yimg.com/g/images/photo_unavailable_s.gif"),
        )
    ),
    WebCase(
        "51f",
        "a redirect to a picture of the same name elsewhere",
        site={"/x": moved("/removed.png"), "/removed.png": image()},
    ),
)
