"""The fetcher: listings and pages to bytes, over guarded connections and within limits."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from services.crawler.fetch.address import AddressPolicy, ForbiddenAddress, ForbiddenPort
from services.crawler.fetch.body import read_body
from services.crawler.fetch.charset import decode_html
from services.crawler.fetch.failure import (
    REQUEST_ERRORS,
    failure_of,
    failure_of_redirect,
    failure_of_status,
)
from services.crawler.fetch.guarded_connector import GuardedConnector, SystemResolver
from services.crawler.fetch.host_slots import HostSlots
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.local_file import read_listed_file
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.listing import Listing
from services.crawler.outcome import Fetched, FetchFailed, OutcomeReason

PAGE_MAX_BYTES = 5_000_000

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODIES = frozenset({200, 203})
_HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})
_IMAGE_ACCEPT = "image/*,*/*;q=0.5"
_PAGE_ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.5"

Answer = TypeVar("Answer")
_Reader = Callable[[aiohttp.ClientResponse], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page.

    Attributes:
        html: Its text; empty if it is of another type, whose body is not read.
        final_url: The address that answered, after redirects.
        content_type: Lower-case, without parameters; empty if none was stated.
    """

    html: str
    final_url: str
    content_type: str


def honest_user_agent(version: str, contact: str) -> str:
    """What the crawler calls itself: `Lodestone/0.1.0 (+https://example.org/bot)`; without a contact just the name."""
    return f"Lodestone/{version} (+{contact})" if contact else f"Lodestone/{version}"


class Fetcher:
    """Fetches over one session; use it as an async context manager.

    Ignores proxies of the environment, keeps no cookies, sends no referrer, asks for no content encoding, and follows
    redirects itself, each hop checked like the first.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        user_agent: str,
        limits: FetchLimits | None = None,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Keeps the settings; `resolver` and `tls` replace the system's names and certificate authorities."""
        self._policy = policy
        self._user_agent = user_agent
        self._limits = limits or FetchLimits()
        self._resolver = resolver or SystemResolver()
        self._tls = tls
        self._slots = HostSlots(self._limits.connections, self._limits.connections_per_host)
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(self._policy, self._resolver, tls=self._tls),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._limits.connect_s, sock_read=self._limits.first_byte_s
            ),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()
        await self._resolver.close()

    async def fetch(self, listing: Listing) -> Fetched:
        """Fetches a listing's bytes.

        Raises:
            FetchFailed: They could not be fetched; says why.
        """
        max_bytes = self._limits.max_bytes
        if listing.url[:5].lower() == "file:":
            encoded = await asyncio.to_thread(read_listed_file, listing, max_bytes=max_bytes)
            return Fetched(encoded, listing.url)

        async def read(response: aiohttp.ClientResponse) -> Fetched:
            encoded = await read_body(response, self._limits, max_bytes=max_bytes)
            return Fetched(encoded, str(response.url))

        return await self._follow(listing.url, read, accept=_IMAGE_ACCEPT)

    async def fetch_page(self, url: str, *, max_bytes: int = PAGE_MAX_BYTES) -> Page:
        """Fetches an HTML page, of at most `max_bytes`.

        Raises:
            FetchFailed: It could not be fetched; says why.
        """

        async def read(response: aiohttp.ClientResponse) -> Page:
            stated = response.headers.get("Content-Type", "")
            content_type = stated.partition(";")[0].strip().lower()
            if content_type not in _HTML_TYPES:
                return Page("", str(response.url), content_type)
            body = await read_body(response, self._limits, max_bytes=max_bytes)
            return Page(decode_html(body, stated), str(response.url), content_type)

        return await self._follow(url, read, accept=_PAGE_ACCEPT)

    async def _follow(self, url: str, read: _Reader[Answer], *, accept: str) -> Answer:
        try:
            at = parse_url(url)
        except BadUrl as error:
            raise FetchFailed(OutcomeReason.BAD_URL, str(error)) from error
        left_s = self._limits.total_s
        clock = asyncio.get_running_loop().time
        for _ in range(self._limits.max_redirects + 1):
            self._check_before_dialling(at)
            async with self._slots.hold(at.host):
                started_s = clock()
                answer = await self._request(at, read, accept=accept, left_s=left_s)
                left_s -= clock() - started_s
            if not isinstance(answer, WebUrl):
                return answer
            at = answer
        message = f"more than {self._limits.max_redirects} redirects, the last to {at.host}"
        raise FetchFailed(OutcomeReason.TOO_MANY_REDIRECTS, message)

    def _check_before_dialling(self, url: WebUrl) -> None:
        """What a URL alone gives away: no name is looked up and nothing is dialled for it."""
        if not url.address:
            if not self._policy.permits_port(url.port):
                raise failure_of(ForbiddenPort(url.port), url, self._limits)
            return
        try:
            self._policy.check(url.address, url.port)
        except (ForbiddenAddress, ForbiddenPort) as error:
            raise failure_of(error, url, self._limits) from error

    async def _request(
        self, url: WebUrl, read: _Reader[Answer], *, accept: str, left_s: float
    ) -> Answer | WebUrl:
        """Asks one host; returns the answer, or where it redirects to."""
        final_url = ""
        try:
            async with (
                asyncio.timeout(left_s),
                self._session.get(
                    URL(url.text, encoded=True), headers={"Accept": accept}, allow_redirects=False
                ) as response,
            ):
                final_url = url.text
                if response.status in _REDIRECTS:
                    return _redirect(response, url)
                if response.status not in _BODIES:
                    raise failure_of_status(response.status, url)
                _refuse_content_encoding(response, url)
                return await read(response)
        except FetchFailed:
            raise
        except REQUEST_ERRORS as error:
            raise failure_of(error, url, self._limits, final_url=final_url) from error


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
