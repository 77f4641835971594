from __future__ import annotations

import asyncio
import gzip
import ssl

import pytest
import trustme

from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.outcome import Fetched, FetchFailed, OutcomeReason, OutcomeState
from tests.crawler.fetch.raw_server import RawServer, answer, by_path, hang, says
from tests.crawler.fetch.support import failure, fetcher_for, listing, policy_for


async def test_fetches_bytes_as_they_are() -> None:
    """The bytes come unchanged, with the address that answered."""
    body = bytes(range(256)) * 1_000
    async with RawServer(says(answer(body))) as server, fetcher_for(server.port) as fetcher:
        fetched = await fetcher.fetch(listing(server.url("/a%20b.jpg?x=%2F#part")))
    assert fetched.encoded == body
    assert fetched.final_url == server.url("/a%20b.jpg?x=%2F")
    assert server.requests[0].startswith("GET /a%20b.jpg?x=%2F HTTP/1.1\r\n")


async def test_says_who_asks_and_nothing_else() -> None:
    """The request has the honest name, asks for no encoding, and carries no cookie or referrer."""
    cookie = answer(b"x", headers={"Set-Cookie": "a=b"})
    async with RawServer(says(cookie)) as server, fetcher_for(server.port) as fetcher:
        for _ in range(2):
            await fetcher.fetch(listing(server.url()))
    for request in server.requests:
        fields = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
        assert fields["User-Agent"] == "Lodestone/0 (+https://example.org/bot)"
        assert fields["Accept-Encoding"] == "identity"
        assert fields.keys() == {"Host", "User-Agent", "Accept-Encoding", "Accept"}


async def test_ignores_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment sees nothing."""
    async with RawServer(hang) as proxy, RawServer(says(answer(b"x"))) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        async with fetcher_for(server.port) as fetcher:
            assert (await fetcher.fetch(listing(server.url()))).encoded == b"x"
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("404 Not Found", OutcomeReason.NOT_FOUND),
        ("410 Gone", OutcomeReason.NOT_FOUND),
        ("400 Bad Request", OutcomeReason.REFUSED),
        ("401 Unauthorized", OutcomeReason.REFUSED),
        ("403 Forbidden", OutcomeReason.REFUSED),
        ("451 Unavailable For Legal Reasons", OutcomeReason.REFUSED),
        ("408 Request Timeout", OutcomeReason.SERVER_ERROR),
        ("425 Too Early", OutcomeReason.SERVER_ERROR),
        ("429 Too Many Requests", OutcomeReason.RATE_LIMITED),
        ("500 Internal Server Error", OutcomeReason.SERVER_ERROR),
        ("503 Service Unavailable", OutcomeReason.SERVER_ERROR),
        ("204 No Content", OutcomeReason.SERVER_ERROR),
        ("206 Partial Content", OutcomeReason.INCOMPLETE),
        ("304 Not Modified", OutcomeReason.REFUSED),
        ("511 Network Authentication Required", OutcomeReason.UNREACHABLE),
        ("301 Moved without a Location", OutcomeReason.SERVER_ERROR),
        ("600 Beyond", OutcomeReason.SERVER_ERROR),
    ],
)
async def test_statuses_become_reasons(status: str, reason: OutcomeReason) -> None:
    """Each status has one reason; the message names the number and the failure the address."""
    async with (
        RawServer(
            says(answer(b"" if status[:3] in ("204", "304") else b"no", status=status))
        ) as server,
        fetcher_for(server.port) as fetcher,
    ):
        failed = await failure(fetcher, server.url("/x"))
    assert failed.reason is reason
    assert failed.state is OutcomeState.FAILED
    assert status[:3] in str(failed)
    assert failed.final_url == server.url("/x")
    assert failed.status == int(status[:3])
    assert failed.retryable is (reason not in (OutcomeReason.NOT_FOUND, OutcomeReason.REFUSED))


async def test_follows_redirects_to_the_last_address() -> None:
    """Five redirects are followed, relative ones and names included; the body is that of the last."""
    async with RawServer(hang) as server:
        hops = {
            f"/{hop}": answer(status="302 Found", headers={"Location": target})
            for hop, target in enumerate(
                [
                    "1",
                    "/2",
                    server.url("/3"),
                    server.url("/4", host="photos.example"),
                    f"//photos.example:{server.port}/5",
                ]
            )
        }
        server._respond = by_path(hops | {"/5": answer(b"image")})
        names = {"photos.example": [["127.0.0.1"]]}
        async with fetcher_for(server.port, names=names) as fetcher:
            fetched = await fetcher.fetch(listing(server.url("/0")))
    assert fetched.encoded == b"image"
    assert fetched.final_url == server.url("/5", host="photos.example")
    assert len(server.requests) == 6


@pytest.mark.parametrize("path", ["/loop", "/0"])
async def test_stops_after_five_redirects(path: str) -> None:
    """A loop and a chain of six both end as TOO_MANY_REDIRECTS after six requests."""
    chain = {
        f"/{hop}": answer(status="301 Moved", headers={"Location": f"/{hop + 1}"})
        for hop in range(7)
    }
    loop = {"/loop": answer(status="307 Temporary", headers={"Location": "/loop"})}
    async with RawServer(by_path(chain | loop)) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url(path))
    assert failed.reason is OutcomeReason.TOO_MANY_REDIRECTS
    assert "5 redirects" in str(failed)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", OutcomeReason.BAD_URL),
        ("ftp://example.com/x", OutcomeReason.BAD_URL),
        ("data:image/png;base64,AAAA", OutcomeReason.BAD_URL),
        ("gopher://example.com/", OutcomeReason.BAD_URL),
        ("\\\\evil\\x", OutcomeReason.BAD_URL),
        ("http://user:pw@example.com/", OutcomeReason.BAD_URL),
        ("http://93.184.216.34:22/", OutcomeReason.BAD_URL),
        ("http://photos.example:6379/", OutcomeReason.BAD_URL),
        ("http://169.254.169.254/latest/meta-data/", OutcomeReason.FORBIDDEN_ADDRESS),
        ("http://[::ffff:10.0.0.1]/", OutcomeReason.FORBIDDEN_ADDRESS),
        ("//10.0.0.1/", OutcomeReason.FORBIDDEN_ADDRESS),
        ("http://metadata.example/", OutcomeReason.FORBIDDEN_ADDRESS),
    ],
)
async def test_checks_every_redirect(location: str, reason: OutcomeReason) -> None:
    """A redirect to another scheme, port, credentials or a forbidden address is not followed."""
    moved = answer(status="302 Found", headers={"Location": location})
    names = {"metadata.example": [["169.254.169.254"]], "photos.example": [["127.0.0.1"]]}
    async with RawServer(says(moved)) as server, fetcher_for(server.port, names=names) as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason is reason
    assert len(server.requests) == 1
    blocked = reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert failed.state is (OutcomeState.BLOCKED if blocked else OutcomeState.FAILED)


async def test_redirect_to_a_forbidden_loopback_port_dials_nothing() -> None:
    """The port that is allowed may not lead to the one that is not: that listener sees no connection."""
    async with RawServer(says(answer(b"secret"))) as inner, RawServer(hang) as server:
        server._respond = says(answer(status="302 Found", headers={"Location": inner.url()}))
        async with fetcher_for(server.port) as fetcher:
            failed = await failure(fetcher, server.url())
    assert failed.reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert inner.connections == 0
    assert len(server.requests) == 1


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate, gzip", "x-unknown"])
async def test_refuses_content_encodings(encoding: str) -> None:
    """An encoded body was not asked for and is not unpacked, bombs least of all."""
    bomb = gzip.compress(bytes(1_000_000))
    encoded = answer(bomb, headers={"Content-Encoding": encoding})
    async with RawServer(says(encoded)) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason is OutcomeReason.CONTENT_ENCODING
    assert encoding in str(failed)


async def test_identity_is_no_content_encoding() -> None:
    """`Content-Encoding: identity` changes nothing."""
    plain = answer(b"image", headers={"Content-Encoding": "Identity"})
    async with RawServer(says(plain)) as server, fetcher_for(server.port) as fetcher:
        assert (await fetcher.fetch(listing(server.url()))).encoded == b"image"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", OutcomeReason.UNREACHABLE),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", OutcomeReason.SERVER_ERROR),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", OutcomeReason.SERVER_ERROR),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", OutcomeReason.SERVER_ERROR),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            OutcomeReason.SERVER_ERROR,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nnot a length\r\n",
            OutcomeReason.SERVER_ERROR,
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", OutcomeReason.SERVER_ERROR),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"\r\n", OutcomeReason.SERVER_ERROR),
    ],
)
async def test_answers_that_are_not_http(head: bytes, reason: OutcomeReason) -> None:
    """A server that closes at once or speaks no valid HTTP is one failure, and may be asked again."""
    async with RawServer(says(head)) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url())
    assert failed.reason is reason
    assert failed.retryable
    assert len(str(failed)) < 400


async def test_nobody_listens_and_names_that_do_not_resolve() -> None:
    """Each has its reason and says what was tried."""
    async with RawServer(hang) as server:
        pass
    async with fetcher_for(server.port) as fetcher:
        refused = await failure(fetcher, server.url())
        unknown = await failure(fetcher, "http://nowhere.example/")
    assert refused.reason is OutcomeReason.UNREACHABLE
    assert unknown.reason is OutcomeReason.NAME_UNRESOLVED
    assert f"127.0.0.1:{server.port}" in str(refused)
    assert "nowhere.example does not resolve" in str(unknown)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "FILE:///etc/passwd", "data:,x", "javascript:alert(1)", "ftp://h/"),
        *("http://user:pw@127.0.0.1/", "http://photos.example:22/", "http://93.184.216.34:25/"),
        *("http://h:99999/", "http://h/\r\nX: y", "http://good.com\\@evil/", "not a url", ""),
        "http://h/" + "x" * 16_000,
    ],
)
async def test_bad_urls_are_not_asked_for(url: str) -> None:
    """Other schemes, credentials, odd ports and unreadable URLs are BAD_URL, without a lookup."""
    async with fetcher_for() as fetcher:
        failed = await failure(fetcher, url)
    assert failed.reason is OutcomeReason.BAD_URL
    assert not failed.retryable
    assert len(str(failed)) < 600


async def test_limits_requests_per_host_and_in_all() -> None:
    """Twelve listings on two names: never more than two per name and three in all; none is lost or late."""
    gate = asyncio.Event()
    async with RawServer(hang) as server:
        names = {"one.example": [["127.0.0.1"]], "two.example": [["127.0.0.1"]]}
        everyone_in = asyncio.Event()

        async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
            if server.busiest == 3:
                everyone_in.set()
            await gate.wait()
            writer.write(answer(b"x"))

        server._respond = respond
        # Waiting for a slot costs no time: a deadline for all twelve in turn would have passed.
        pace = PaceLimits(connections=2, requests_per_s=1_000.0, burst=4)
        limits = {"connections": 3, "pace": pace}
        async with fetcher_for(server.port, names=names, **limits) as fetcher:
            fetches = [
                asyncio.create_task(fetcher.fetch(listing(server.url(host=host))))
                for host in names
                for _ in range(6)
            ]
            await asyncio.wait_for(everyone_in.wait(), 5)
            hosts = [request.split("Host: ")[1].split(":")[0] for request in server.requests]
            assert len(hosts) == 3
            assert max(hosts.count(host) for host in names) == 2
            gate.set()
            assert [fetched.encoded for fetched in await asyncio.gather(*fetches)] == [b"x"] * 12
    assert server.busiest == 3


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of the tests' own."""
    return trustme.CA()


def served_by(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_https_needs_the_right_certificate(authority: trustme.CA) -> None:
    """A trusted certificate for the name passes; one for another name or of a stranger is TLS_FAILED."""
    names = {"photos.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]}
    tls = served_by(authority, "photos.example")
    async with RawServer(says(answer(b"x")), tls=tls) as server:
        async with fetcher_for(server.port, names=names, tls=trusting(authority)) as fetcher:
            good = server.url(host="photos.example", scheme="https")
            assert (await fetcher.fetch(listing(good))).encoded == b"x"
            wrong = await failure(fetcher, server.url(host="other.example", scheme="https"))
        async with fetcher_for(server.port, names=names) as fetcher:
            stranger = await failure(fetcher, good)
    for failed in (wrong, stranger):
        assert failed.reason is OutcomeReason.TLS_FAILED
        assert not failed.retryable
    assert len(server.requests) == 1


async def test_refuses_a_downgrade_from_https_to_http(authority: trustme.CA) -> None:
    """A redirect from https to http is not followed."""
    names = {"photos.example": [["127.0.0.1"]]}
    async with RawServer(says(answer(b"x"))) as plain:
        moved = answer(status="302 Found", headers={"Location": plain.url()})
        tls = served_by(authority, "photos.example")
        async with (
            RawServer(says(moved), tls=tls) as server,
            fetcher_for(server.port, plain.port, names=names, tls=trusting(authority)) as fetcher,
        ):
            failed = await failure(fetcher, server.url(host="photos.example", scheme="https"))
    assert failed.reason is OutcomeReason.BAD_URL
    assert "from https to http" in str(failed)
    assert plain.connections == 0


async def test_pages_are_text_within_their_cap() -> None:
    """A page comes decoded, with its type; another type is not read; too large a page is an error."""
    html = "<p>Grüße".encode("iso-8859-1")
    pages = {
        "/html": answer(html, headers={"Content-Type": "Text/HTML; charset=ISO-8859-1"}),
        "/image": answer(b"x" * 2_000, headers={"Content-Type": "image/jpeg"}),
        "/large": answer(b"x" * 1_001, headers={"Content-Type": "text/html"}),
    }
    async with RawServer(by_path(pages)) as server, fetcher_for(server.port) as fetcher:
        page = await fetcher.fetch_page(server.url("/html"))
        image = await fetcher.fetch_page(server.url("/image"), max_bytes=1_000)
        with pytest.raises(FetchFailed) as large:
            await fetcher.fetch_page(server.url("/large"), max_bytes=1_000)
    assert (page.html, page.content_type) == ("<p>Grüße", "text/html")
    assert page.final_url == server.url("/html")
    assert (image.html, image.content_type) == ("", "image/jpeg")
    assert large.value.reason is OutcomeReason.TOO_MANY_BYTES


@pytest.mark.parametrize("name", ["localhost", "localhost.", "LOCALHOST", "photos.localhost"])
async def test_localhost_needs_no_name_server(name: str) -> None:
    """localhost and what is below it are 127.0.0.1 without a lookup, and refused unless that is allowed."""
    identity = Identity("0")
    async with RawServer(says(answer(b"x"))) as server:
        policy = policy_for(f"127.0.0.1:{server.port}")
        async with Fetcher(policy=policy, identity=identity) as fetcher:
            url = server.url(host=name)
            assert (await fetcher.fetch(listing(url))).encoded == b"x"
        async with Fetcher(policy=policy_for(), identity=identity) as fetcher:
            failed = await failure(fetcher, f"http://{name}/")
    assert failed.reason is OutcomeReason.FORBIDDEN_ADDRESS


async def test_a_type_with_parameters_behind_a_redirect() -> None:
    """`image/jpeg; charset=…` is an image, wherever the address led."""
    types = {
        "/short": answer(status="301 Moved", headers={"Location": "/photo"}),
        "/photo": answer(b"x", headers={"Content-Type": "Image/JPEG ; charset=binary"}),
    }
    async with RawServer(by_path(types)) as server, fetcher_for(server.port) as fetcher:
        page = await fetcher.fetch_page(server.url("/short"))
        fetched = await fetcher.fetch(listing(server.url("/short")))
    assert (page.content_type, page.final_url) == ("image/jpeg", server.url("/photo"))
    assert (fetched.encoded, fetched.final_url) == (b"x", server.url("/photo"))


async def test_failures_between_good_answers_leave_nothing_behind() -> None:
    """Of many at once each has its own bytes or its own failure, never those of the one before."""
    good = {f"/{number}": answer(f"image {number}".encode()) for number in range(0, 40, 2)}
    async with RawServer(by_path(good)) as server, fetcher_for(server.port) as fetcher:
        urls = [server.url(f"/{number}") for number in range(40)]
        ends = await asyncio.gather(
            *(fetcher.fetch(listing(url)) for url in urls), return_exceptions=True
        )
    for number, end in enumerate(ends):
        if number % 2:
            assert isinstance(end, FetchFailed)
            assert end.final_url == urls[number]
        else:
            assert isinstance(end, Fetched)
            assert end.encoded == f"image {number}".encode()


async def test_an_answer_that_hangs_costs_no_other() -> None:
    """What came before and beside it is had at once; it alone runs out of time."""

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        if path == "/hangs":
            await hang(path, writer)
        writer.write(answer(path.encode()))

    async with RawServer(respond) as server, fetcher_for(server.port, first_byte_s=0.5) as fetcher:
        hanging = asyncio.create_task(failure(fetcher, server.url("/hangs")))
        fetched = [await fetcher.fetch(listing(server.url(f"/{number}"))) for number in range(9)]
        assert not hanging.done()
        failed = await hanging
    assert [one.encoded for one in fetched] == [f"/{number}".encode() for number in range(9)]
    assert failed.reason is OutcomeReason.TIMEOUT
