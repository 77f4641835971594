from __future__ import annotations

import base64

import pytest

from services.crawler.fetch.egress_proxy import EgressProxy
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.web_client import Network
from services.crawler.outcome import OutcomeReason
from services.servicekit.errors import Misconfigured
from tests.crawler.fetch.fake_resolver import FakeResolver
from tests.crawler.fetch.raw_server import RawServer, answer, says
from tests.crawler.fetch.support import failure, listing, policy_for
from tests.fakes.canary import CANARY, has_canary

PUBLIC = "93.184.215.14"


def fetcher_behind(proxy: str, names: dict[str, list[list[str]]]) -> Fetcher:
    """A fetcher that may ask public addresses only, through a proxy on loopback."""
    network = Network(resolver=FakeResolver(names), proxy=EgressProxy.parse(proxy))
    return Fetcher(policy=policy_for(), identity=Identity("0", "me@example.org"), network=network)


async def test_everything_goes_through_the_proxy() -> None:
    """The proxy is asked for the whole URL, with its credentials; robots.txt goes the same way."""
    names = {"site.example": [[PUBLIC]]}
    async with RawServer(says(answer(b"picture"))) as server:
        proxy = f"http://user:secret@127.0.0.1:{server.port}"
        async with fetcher_behind(proxy, names) as fetcher:
            fetched = await fetcher.fetch(listing("http://site.example/a.jpg"))
    assert fetched.encoded == b"picture"
    asked = [request.split("\r\n")[0] for request in server.requests]
    assert asked == [
        "GET http://site.example/robots.txt HTTP/1.1",
        "GET http://site.example/a.jpg HTTP/1.1",
    ]
    assert all("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in one for one in server.requests)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://localhost/",
        "http://inside.example/",
        "http://mixed.example/",
    ],
)
async def test_the_proxy_is_not_asked_for_what_is_forbidden(url: str) -> None:
    """The guard stays: literal addresses, and names that resolve to private ones, do not reach the proxy."""
    names = {"inside.example": [["10.0.0.1"]], "mixed.example": [[PUBLIC, "127.0.0.1"]]}
    async with (
        RawServer(says(answer(b"picture"))) as server,
        fetcher_behind(f"http://127.0.0.1:{server.port}", names) as fetcher,
    ):
        failed = await failure(fetcher, url)
    assert failed.reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert server.connections == 0


async def test_the_proxy_itself_is_no_target() -> None:
    """Its private address is dialled as a proxy, and never asked for."""
    async with RawServer(says(answer(b"picture"))) as server:
        proxy = f"http://127.0.0.1:{server.port}"
        async with fetcher_behind(proxy, {}) as fetcher:
            failed = await failure(fetcher, f"{proxy}/admin")
    assert failed.reason is OutcomeReason.FORBIDDEN_ADDRESS
    assert server.connections == 0


async def test_a_proxy_that_refuses_is_no_host_s_fault() -> None:
    """407 is worth another try, names the proxy, and pauses no host; so does a proxy that is away."""
    names = {"site.example": [[PUBLIC]]}
    refusal = answer(status=f"407 {CANARY}")
    for scheme in ("http", "https"):
        async with RawServer(says(refusal), robots=refusal, first=lambda _: refusal) as server:
            proxy = f"http://user:{CANARY}@127.0.0.1:{server.port}"
            async with fetcher_behind(proxy, names) as fetcher:
                for _ in range(8):
                    failed = await failure(fetcher, f"{scheme}://site.example/a.jpg")
                    assert failed.retryable
                    assert "the egress proxy wants other credentials" in str(failed)
                    assert not has_canary(str(failed))
        async with fetcher_behind(proxy, names) as fetcher:
            for _ in range(8):
                failed = await failure(fetcher, f"{scheme}://site.example/a.jpg")
                assert failed.reason is OutcomeReason.UNREACHABLE
                assert "the egress proxy cannot be reached" in str(failed)
        assert not fetcher.paces.is_full("site.example")


async def test_what_a_proxy_says_is_not_repeated() -> None:
    """Of its answer to CONNECT the status counts; its words may hold what it was told."""
    refusal = f"HTTP/1.1 502 {CANARY}\r\n\r\n".encode()
    async with RawServer(says(), first=lambda _: refusal) as server:
        proxy = f"http://user:{CANARY}@127.0.0.1:{server.port}"
        async with fetcher_behind(proxy, {"site.example": [[PUBLIC]]}) as fetcher:
            failed = await failure(fetcher, "https://site.example/a.jpg")
    assert failed.reason is OutcomeReason.UNREACHABLE
    assert "the egress proxy answered HTTP 502 for site.example:443" in str(failed)
    assert not has_canary(str(failed))


async def test_names_are_looked_up_before_the_proxy_is_asked() -> None:
    """One without an address is an outcome of its own, as it is without a proxy."""
    async with (
        RawServer(says(answer(b"picture"))) as server,
        fetcher_behind(f"http://127.0.0.1:{server.port}", {}) as fetcher,
    ):
        failed = await failure(fetcher, "http://nowhere.example/a.jpg")
    assert failed.reason is OutcomeReason.NAME_UNRESOLVED
    assert server.connections == 0


@pytest.mark.parametrize(
    "text", ["", "corp.example:3128", "https://proxy.example:3128", "socks5://p:1", "http://:3128"]
)
def test_what_is_no_proxy(text: str) -> None:
    """One clear error, which does not quote what may hold a password."""
    with pytest.raises(Misconfigured) as refused:
        EgressProxy.parse(text)
    assert not text or text not in str(refused.value)


def test_credentials_are_not_shown() -> None:
    """Neither the text nor the representation of a proxy has its password."""
    proxy = EgressProxy.parse(f"http://user:{CANARY}@proxy.example:3128")
    assert base64.b64decode(proxy.authorization.split()[1]) == f"user:{CANARY}".encode()
    assert not has_canary(f"{proxy} {proxy!r} {proxy.url}")
    assert has_canary(proxy.authorization)
