"""Hostile addresses, names and URLs: 1-19 and 24-35."""

from __future__ import annotations

from tests.hostile.web_case import PASSED, WebCase

_FORBIDDEN, _BAD, _UNRESOLVED = "FORBIDDEN_ADDRESS", "BAD_URL", "NAME_UNRESOLVED"


def _dialled_nowhere(host: str) -> str:
    return f"http://{host}:{{trap}}/"


_SPELLINGS = (
    ("1", "loopback", "127.0.0.1"),
    ("1b", "another loopback address", "127.9.9.9"),
    ("1c", "the last loopback address", "127.255.255.254"),
    ("2", "localhost", "localhost"),
    ("2b", "localhost with a dot, in capitals", "LOCALHOST."),
    ("2c", "a name below localhost", "photos.localhost"),
    ("3", "two numbers", "127.1"),
    ("3b", "three numbers", "127.0.1"),
    ("4", "hexadecimal", "0x7f000001"),
    ("4b", "hexadecimal parts", "0x7f.0x0.0x0.0x1"),
    ("5", "one decimal number", "2130706433"),
    ("6", "octal part", "0177.0.0.1"),
    ("6b", "one octal number", "017700000001"),
    ("7", "circled digits", "①②⑦.0.0.1"),
    ("7b", "ideographic dots", "127。0。0。1"),
    ("7c", "full-width digits", "１２７.0.0.1"),
    ("8", "zero", "0"),
    ("8b", "the unspecified address", "0.0.0.0"),
    ("8c", "the unspecified IPv6 address", "[::]"),
    ("9", "IPv6 loopback", "[::1]"),
    ("9b", "IPv6 loopback, all digits", "[0:0:0:0:0:0:0:1]"),
    ("10", "IPv4-mapped", "[::ffff:127.0.0.1]"),
    ("10b", "IPv4-mapped, hexadecimal", "[::ffff:7f00:1]"),
    ("10c", "IPv4-translated", "[::ffff:0:127.0.0.1]"),
    ("11", "IPv4-compatible", "[::127.0.0.1]"),
    ("12", "NAT64 of link-local", "[64:ff9b::a9fe:a9fe]"),
    ("12b", "NAT64 of loopback", "[64:ff9b::127.0.0.1]"),
    ("12c", "local NAT64", "[64:ff9b:1::7f00:1]"),
    ("13", "6to4 of link-local", "[2002:a9fe:a9fe::]"),
    ("13b", "6to4 of loopback", "[2002:7f00:1::1]"),
    ("13c", "Teredo", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]"),
    ("14b", "IPv6 link-local", "[fe80::1]"),
    ("15", "metadata", "169.254.169.254"),
    ("15b", "metadata over IPv6", "[fd00:ec2::254]"),
    ("15d", "metadata in a shared range", "100.100.100.200"),
    ("15e", "metadata at a public-looking address", "168.63.129.16"),
    ("15f", "metadata in hexadecimal", "0xa9fea9fe"),
    ("15g", "metadata in a protocol range", "192.0.0.192"),
    ("16", "private, 10/8", "10.0.0.1"),
    ("16b", "private, 172.16/12, first", "172.16.0.1"),
    ("16c", "private, 172.16/12, last", "172.31.255.255"),
    ("16d", "private, 192.168/16", "192.168.1.1"),
    ("16e", "shared, 100.64/10", "100.64.0.1"),
    ("16f", "benchmarking, 198.18/15", "198.19.255.255"),
    ("16g", "multicast", "224.0.0.1"),
    ("16h", "broadcast", "255.255.255.255"),
    ("16i", "IPv6 unique local", "[fc00::1]"),
    ("16j", "IPv6 site-local", "[fec0::1]"),
    ("16k", "IPv6 multicast", "[ff02::1]"),
    ("16l", "IPv6 documentation", "[2001:db8::1]"),
)

_NAMES = (
    ("15c", "metadata by name", _FORBIDDEN, "metadata.google.internal"),
    ("16m", "a name of a private address", _FORBIDDEN, "private.example"),
    ("17", "a service of a cluster", _FORBIDDEN, "kubernetes.default.svc"),
    ("17b", "a name of one label", _FORBIDDEN, "kubernetes"),
    ("17c", "a name of a cluster", _FORBIDDEN, "db.default.svc.cluster.local"),
    ("18", "a good answer, then a forbidden one", _FORBIDDEN, "mixed.example"),
    ("18b", "a forbidden answer, then a good one", _FORBIDDEN, "mixed-last.example"),
    ("18c", "an alias of a forbidden name", _FORBIDDEN, "alias.example"),
    ("19d", "a name that does not exist", _UNRESOLVED, "nowhere.example"),
    ("19e", "a name server that fails", _UNRESOLVED, "broken.example"),
    ("19f", "a name server that is silent", _UNRESOLVED, "silent.example"),
    ("19g", "a name without an address", _UNRESOLVED, "empty.example"),
    ("19h", "a name server that answers garbage", _UNRESOLVED, "garbage.example"),
)

_BAD_URLS = (
    ("7d", "percent-encoded digits", "http://%31%32%37.0.0.1:{trap}/"),
    ("14", "a network interface in an IPv6 address", "http://[fe80::1%25eth0]:{trap}/"),
    ("24", "a file", "file:///etc/passwd"),
    ("24b", "a file, in capitals", "FILE:///etc/passwd"),
    ("24c", "a file of a host", "file://localhost/etc/passwd"),
    ("25", "data", "data:image/png;base64,AAAA"),
    ("26", "a script", "javascript:alert(1)"),
    ("26b", "ftp", "ftp://site.example/x"),
    ("26c", "gopher", "gopher://127.0.0.1:{trap}/_x"),
    ("26d", "no scheme", "//site.example:{port}/x"),
    ("26e", "nothing", ""),
    ("27", "credentials", "http://user:pw@site.example:{port}/"),
    ("27b", "a user", "http://user@site.example:{port}/"),
    ("27c", "an empty user", "http://@site.example:{port}/"),
    ("27d", "a host that looks like a user", "http://site.example:{port}@127.0.0.1:{trap}/"),
    ("28", "port of SSH", "http://93.184.216.34:22/"),
    ("28b", "port of mail", "http://93.184.216.34:25/"),
    ("28c", "port of Redis, by name", "http://site.example:6379/"),
    ("28d", "port 8080 of a name", "http://site.example:8080/"),
    ("29", "port 99999", "http://site.example:99999/"),
    ("29b", "port 0", "http://site.example:0/"),
    ("29c", "a negative port", "http://site.example:-1/"),
    ("29d", "a port in letters", "http://site.example:http/"),
    ("29e", "a port in other digits", "http://site.example:８０/"),
    ("30", "line break in the path", "http://site.example:{port}/x HTTP/1.1\r\nX: y"),
    ("30b", "tab in the path", "http://site.example:{port}/x\ty"),
    ("31", "a URL of 16 KB", "http://site.example:{port}/" + "x" * 16_000),
    ("31b", "a name of 300 characters", "http://" + "a." * 150 + "example:{port}/"),
    ("31c", "a label of 64 characters", "http://" + "a" * 64 + ".example:{port}/"),
    ("32", "NUL", "http://site.example:{port}/\x00"),
    ("32b", "space", "http://site.example:{port}/a b"),
    ("32c", "backslash and credentials", "http://site.example\\@127.0.0.1:{trap}/"),
    ("32d", "blank in the host", "http://site.example 127.0.0.1:{trap}/"),
    ("32e", "brackets around a name", "http://[site.example]:{port}/"),
    ("32f", "an address with five numbers", "http://127.0.0.0.1:{trap}/"),
    ("32g", "an address with a number over 255", "http://127.0.0.256:{trap}/"),
    ("32h", "a percent sign in the host", "http://site%2eexample:{port}/"),
    ("33c", "letters that no name may have", "http://site\u202eexample:{port}/"),
    ("34b", "two dots", "http://site..example:{port}/"),
    ("34c", "only dots", "http://...:{port}/"),
    ("34d", "no host", "http://:{port}/"),
)

ADDRESS_CASES: tuple[WebCase, ...] = (
    *(
        WebCase(number, name, _FORBIDDEN, _dialled_nowhere(host), requests=0, names=())
        for number, name, host in _SPELLINGS
    ),
    *(
        WebCase(number, name, reason, f"http://{host}:{{port}}/", requests=0)
        for number, name, reason, host in _NAMES
    ),
    WebCase("16n", "control: beside a private range", PASSED, "http://172.32.0.1/"),
    WebCase("16o", "control: a public address", PASSED, "http://8.8.8.8/"),
    WebCase("16p", "control: a public IPv6 address", PASSED, "https://[2606:4700::1111]/"),
    WebCase(
        "19",
        "rebinding: the second answer would be forbidden; one lookup serves both requests",
        url="http://rebound.example:{port}/x",
        requests=1,
        names=("rebound.example",),
    ),
    WebCase(
        "19b",
        "rebinding: the second answer is forbidden",
        _FORBIDDEN,
        "http://rebound.example:{port}/x",
        requests=1,
        again=True,
        names=("rebound.example",) * 2,
    ),
    *(WebCase(number, name, _BAD, url, requests=0, names=()) for number, name, url in _BAD_URLS),
    WebCase("28e", "port of SSH on loopback", _FORBIDDEN, "http://127.0.0.1:22/", names=()),
    WebCase(
        "30c", "escaped line break: stays escaped", url="http://site.example:{port}/x%0d%0aX:y"
    ),
    WebCase(
        "31d", "a URL of just 8,192 characters", url="http://site.example:{port}/" + "x" * 8_160
    ),
    WebCase(
        "33",
        "letters that look like others: the name is what it is",
        url="http://аррӏе.example:{port}/",
        names=("xn--80ak6aa92e.example",),
    ),
    WebCase(
        "33b",
        "letters that look like others: no such name",
        _UNRESOLVED,
        "http://ѕite.example:{port}/",
        names=("xn--ite-ehd.example",),
        requests=0,
    ),
    WebCase(
        "34", "dot behind the host", url="http://site.example.:{port}/", names=("site.example",)
    ),
    WebCase("35", "a proxy in the environment", proxied=True, requests=1),
)
