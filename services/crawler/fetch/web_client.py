"""One request to one host: in its turn, over a guarded connection, within limits, and told to the host's pace."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeAlias, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from services.crawler.fetch.address import AddressPolicy
from services.crawler.fetch.egress_proxy import EgressProxy
from services.crawler.fetch.failure import (
    REQUEST_ERRORS,
    ProxyFailed,
    failure_of,
    failure_of_proxy,
    failure_of_redirect,
    failure_of_status,
)
from services.crawler.fetch.guarded_connector import GuardedConnector, Streams, name_resolver
from services.crawler.fetch.host_pace import HostPace
from services.crawler.fetch.host_paces import HostDown, HostPaces
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.retry_after import read_retry_after
from services.crawler.fetch.time_budget import TimeBudget
from services.crawler.fetch.tunnel import open_tunnel
from services.crawler.fetch.url import BadUrl, WebUrl
from services.crawler.outcome import FetchFailed, OutcomeReason

Answer = TypeVar("Answer")
Reader: TypeAlias = Callable[[aiohttp.ClientResponse], Awaitable[Answer]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODIES = frozenset({200, 203})
# What says that a host cannot keep up or is broken; all else says that it is well.
_OVERLOADED = frozenset({429, 503})
_PROXY_REFUSES = 407
_TROUBLE = frozenset(
    {
        OutcomeReason.NAME_UNRESOLVED,
        OutcomeReason.SERVER_ERROR,
        OutcomeReason.TIMEOUT,
        OutcomeReason.TLS_FAILED,
        OutcomeReason.UNREACHABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """What to ask for.

    Attributes:
        url: The address.
        accept: The `Accept` header.
        read: Reads the answer; may refuse it by its headers before it reads the body.
        headers: Further headers; they may hold secrets.
        secret_query: Sent behind the address's query, and shown nowhere; encoded.
    """

    url: WebUrl
    accept: str
    read: Reader[Answer]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_query: str = field(default="", repr=False)

    @property
    def sent_url(self) -> URL:
        """The address with its secrets."""
        text = self.url.text
        if self.secret_query:
            text = f"{text}{'&' if '?' in text else '?'}{self.secret_query}"
        return URL(text, encoded=True)


@dataclass(frozen=True, slots=True)
class Network:
    """What stands between us and hosts, where it is not the system's own.

    Attributes:
        resolver: Looks names up.
        tls: Knows the certificate authorities.
        proxy: Dials for us.
    """

    resolver: AbstractResolver | None = None
    tls: ssl.SSLContext | None = None
    proxy: EgressProxy | None = None


class WebClient:
    """Sends requests over one session; use it as an async context manager.

    Ignores proxies of the environment, keeps no cookies, sends no referrer, asks for no content encoding, and follows
    no redirects.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        user_agent: str,
        limits: FetchLimits,
        network: Network,
    ) -> None:
        """Keeps the settings."""
        self._policy = policy
        self._user_agent = user_agent
        self._limits = limits
        self._network = network
        self._connector: GuardedConnector
        self._session: aiohttp.ClientSession
        self.paces = HostPaces(limits.pace, connections=limits.connections)

    async def __aenter__(self) -> Self:
        limits = self._limits
        network = self._network
        resolver = network.resolver or name_resolver()
        self._connector = GuardedConnector(
            self._policy, resolver, tls=network.tls, proxy=network.proxy
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=limits.connect_s, sock_read=limits.first_byte_s
            ),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        # aiohttp would ask a host that closes the connection once more, unseen by the pace; it has no setting for that.
        self._session._retry_connection = False  # noqa: SLF001
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def check_name(self, url: WebUrl) -> None:
        """Passes a name that an egress proxy, if there is one, looks up; raises as `GuardedConnector.check_name`."""
        if self._network.proxy is not None and not url.address:
            await self._connector.check_name(url.host, url.port)

    async def open_tunnel(self, url: WebUrl) -> Streams:
        """Connects to the host of a URL, for bytes that are not ours; raises as `tunnel.open_tunnel`."""
        return await open_tunnel(self._connector, url, self._network.proxy)

    def open_session(self, *, decompress: bool = True) -> aiohttp.ClientSession:
        """A session for a client library that sends its requests itself: over the same connector, with the same name.

        What such a library asks for is neither paced nor bounded here. Close it after use; the connector stays open.
        """
        proxy = self._network.proxy
        return aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            timeout=aiohttp.ClientTimeout(
                total=self._limits.total_s, sock_read=self._limits.first_byte_s
            ),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy.whole_url if proxy else None,
            auto_decompress=decompress,
            trust_env=False,
        )

    async def ask(self, request: Request[Answer], budget: TimeBudget) -> Answer | WebUrl:
        """Waits for the host's turn and asks; returns the answer, or where it redirects to.

        Args:
            request: What to ask for.
            budget: How long the answer may take; waiting for the turn does not count.

        Raises:
            FetchFailed: There is no answer.
            HostResting: The turn does not come soon.
        """
        host = request.url.host
        try:
            async with self.paces.turn(host, patience_s=self._limits.patience_s) as pace:
                return await self._ask_in_turn(request, pace, budget)
        except HostDown as down:
            raise FetchFailed(OutcomeReason.HOST_DOWN, str(down)) from down

    async def _ask_in_turn(
        self, request: Request[Answer], pace: HostPace, budget: TimeBudget
    ) -> Answer | WebUrl:
        url, status = request.url, 0
        began = _now()
        try:
            async with budget.spend(), await self._get(request) as response:
                status = response.status
                _tell(pace, response, latency_s=_now() - began)
                answer = await self._answer(request, response)
        except FetchFailed as failure:
            _tell_failure(pace, failure, status)
            raise
        except REQUEST_ERRORS as error:
            final_url = url.text if status else ""
            failed = failure_of(error, url, self._limits, final_url=final_url)
            _tell_failure(pace, failed, status)
            raise failed from error
        pace.record_answer()
        return answer

    async def _get(self, request: Request[Answer]) -> aiohttp.client._RequestContextManager:
        url, proxy = request.url, self._network.proxy
        await self.check_name(url)
        told = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
        # The proxy reads an http request as it is, and of an https one only what comes before it.
        is_read = url.scheme == "http"
        return self._session.get(
            request.sent_url,
            headers={"Accept": request.accept} | dict(request.headers) | (told if is_read else {}),
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=None if is_read else told,
        )

    async def _answer(
        self, request: Request[Answer], response: aiohttp.ClientResponse
    ) -> Answer | WebUrl:
        if response.status in _REDIRECTS:
            return _redirect(response, request.url)
        if response.status == _PROXY_REFUSES and self._network.proxy is not None:
            # No host says this; the proxy does, of every host alike.
            raise failure_of_proxy(response.status, request.url)
        if response.status not in _BODIES:
            wait_s = _retry_after(response) if response.status in _OVERLOADED else None
            raise failure_of_status(response.status, request.url, retry_after_s=wait_s)
        _refuse_content_encoding(response, request.url)
        return await request.read(response)


def _tell(pace: HostPace, response: aiohttp.ClientResponse, *, latency_s: float) -> None:
    if response.status in _OVERLOADED:
        pace.pause(_now(), _retry_after(response))
    elif response.status < 500:
        pace.record_latency(latency_s, good=response.status in _BODIES)


def _tell_failure(pace: HostPace, failure: FetchFailed, status: int) -> None:
    """Counts what is the host's fault; a body that stalls is, though its header came."""
    if isinstance(failure, ProxyFailed):
        return
    if status in _OVERLOADED and failure.retry_after_s is not None:
        return
    in_trouble = failure.reason in _TROUBLE
    if in_trouble and not (failure.reason is OutcomeReason.SERVER_ERROR and 0 < status < 500):
        pace.record_failure(_now())
    elif 0 < status < 500 and status not in _OVERLOADED:
        pace.record_answer()


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    return read_retry_after(response.headers.get("Retry-After", ""), now=time.time())


def _redirect(response: aiohttp.ClientResponse, url: WebUrl) -> WebUrl:
    location = response.headers.get("Location", "")
    if not location:
        raise failure_of_status(response.status, url)
    try:
        target = url.join(location)
    except BadUrl as error:
        raise failure_of_redirect(error, url) from error
    if url.scheme == "https" and target.scheme == "http":
        raise failure_of_redirect(BadUrl(target.text, "it leads from https to http"), url)
    return target


def _refuse_content_encoding(response: aiohttp.ClientResponse, url: WebUrl) -> None:
    encoding = ", ".join(response.headers.getall("Content-Encoding", ()))
    if encoding.strip().lower() not in ("", "identity"):
        message = f"the answer is encoded as {encoding[:100]!r}, which was not asked for"
        raise FetchFailed(OutcomeReason.CONTENT_ENCODING, message, final_url=url.text)


def _now() -> float:
    return asyncio.get_running_loop().time()
