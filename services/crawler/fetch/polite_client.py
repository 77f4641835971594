"""Follows a URL to its answer as its hosts want it: each hop's address, contact, robots.txt and pace are minded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeAlias

import aiohttp

from services.crawler.fetch.address import AddressPolicy, ForbiddenAddress, ForbiddenPort
from services.crawler.fetch.body import read_start
from services.crawler.fetch.document import DocumentRequest
from services.crawler.fetch.failure import failure_of, on_the_way
from services.crawler.fetch.guard_proxy import GuardedWay, GuardProxy
from services.crawler.fetch.guarded_connector import is_loopback_name
from services.crawler.fetch.host_paces import HostPaces
from services.crawler.fetch.identity import ContactMissing, Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.placeholder_urls import is_placeholder_url
from services.crawler.fetch.robots import Robots
from services.crawler.fetch.robots_rules import ROBOTS_MAX_BYTES, RobotsRules
from services.crawler.fetch.time_budget import TimeBudget
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.fetch.web_client import Answer, Network, Request, WebClient
from services.crawler.outcome import FetchFailed, OutcomeReason, StatusFailed

ReadAnswer: TypeAlias = Callable[[aiohttp.ClientResponse, RobotsRules], Awaitable[Answer]]

_ROBOTS_ACCEPT = "text/plain,*/*;q=0.5"
_LOOPBACK = "127.0.0.1"
# What says that there is no robots.txt, so that everything is allowed (RFC 9309, 2.3.1.3).
_NO_ROBOTS = frozenset({OutcomeReason.NOT_FOUND, OutcomeReason.REFUSED})
# What would befall the listing itself just the same.
_NO_CONNECTION = frozenset(
    {
        OutcomeReason.FORBIDDEN_ADDRESS,
        OutcomeReason.HOST_DOWN,
        OutcomeReason.NAME_UNRESOLVED,
        OutcomeReason.RATE_LIMITED,
        OutcomeReason.TIMEOUT,
        OutcomeReason.TLS_FAILED,
        OutcomeReason.UNREACHABLE,
    }
)


class PoliteClient:
    """Asks for URLs; use it as an async context manager."""

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        identity: Identity,
        limits: FetchLimits,
        network: Network | None = None,
        placeholder_urls: frozenset[str] = frozenset(),
    ) -> None:
        """Keeps the settings; `network` replaces what is the system's, `placeholder_urls` adds to the known ones."""
        self._policy = policy
        self._placeholder_urls = placeholder_urls
        self._identity = identity
        self._limits = limits
        self._client = WebClient(
            policy=policy,
            user_agent=identity.user_agent,
            limits=limits,
            network=network or Network(),
        )
        self._robots = Robots(self._fetch_robots)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, traceback)

    @property
    def paces(self) -> HostPaces:
        """How fast each host is asked."""
        return self._client.paces

    def open_session(self, url: str) -> aiohttp.ClientSession:
        """A session for a client library that asks the host of `url` itself.

        Raises:
            FetchFailed: The address must not be asked.
            ContactMissing: The host is not our own, and no contact is configured.
        """
        self._check_before_dialling(_parse(url))
        return self._client.open_session()

    def open_proxy(self) -> GuardProxy:
        """A proxy for a program that asks the web itself; its requests are neither paced nor checked by robots.txt."""
        open_session = partial(self._client.open_session, decompress=False)
        client = self._client
        way = GuardedWay(
            self._check_before_dialling,
            client.check_name,
            client.open_tunnel,
            open_session,
            self._limits,
            self._identity.user_agent,
        )
        return GuardProxy(way)

    async def get(self, url: str, read: ReadAnswer[Answer], *, accept: str) -> Answer:
        """Asks for a URL, wherever it redirects to.

        Args:
            url: The address, as somebody wrote it.
            read: Reads the answer, given the rules of the host that it came from.
            accept: The `Accept` header.

        Raises:
            FetchFailed: There is no answer; says why.
            HostResting: A host on the way is not to be asked yet.
            ContactMissing: A host on the way is not our own, and no contact is configured.
        """
        at = first = _parse(url)
        budget = TimeBudget(self._limits.total_s)
        for _ in range(self._limits.max_redirects + 1):
            if is_placeholder_url(at, self._placeholder_urls):
                raise _placeholder(at)
            with on_the_way(first, at):
                answer = await self._get_hop(at, read, accept, budget)
            if not isinstance(answer, WebUrl):
                return answer
            at = answer
        raise _too_many_redirects(self._limits, at)

    async def get_document(
        self, request: DocumentRequest, read: Callable[[aiohttp.ClientResponse], Awaitable[Answer]]
    ) -> Answer:
        """Asks for a document, wherever it redirects to; its secrets go to the origin that it names and nowhere else.

        Raises:
            FetchFailed, HostResting, ContactMissing: As for `get`.
        """
        if not request.is_api:
            return await self.get(
                request.url, lambda response, _: read(response), accept=request.accept
            )
        at = first = _parse(request.url)
        if request.gap_s:
            self.paces.set_crawl_delay(first.host, request.gap_s, origin=first.origin)
        budget = TimeBudget(self._limits.total_s)
        for _ in range(self._limits.max_redirects + 1):
            is_first = at.origin == first.origin
            headers, secret_query = (
                (request.headers, request.secret_query) if is_first else ({}, "")
            )
            hop = Request(at, request.accept, read, headers, secret_query)
            with on_the_way(first, at):
                self._check_before_dialling(at)
                answer = await self._client.ask(hop, budget)
            if not isinstance(answer, WebUrl):
                return answer
            at = answer
        raise _too_many_redirects(self._limits, at)

    async def _get_hop(
        self, url: WebUrl, read: ReadAnswer[Answer], accept: str, budget: TimeBudget
    ) -> Answer | WebUrl:
        self._check_before_dialling(url)
        rules = await self._robots.rules(url, budget)
        await self._robots.check(url, rules)

        async def read_by_rules(response: aiohttp.ClientResponse) -> Answer:
            return await read(response, rules)

        self.paces.set_crawl_delay(url.host, rules.crawl_delay_s, origin=url.origin)
        return await self._client.ask(Request(url, accept, read_by_rules), budget)

    def _check_before_dialling(self, url: WebUrl) -> None:
        """What a URL alone gives away: no name is looked up and nothing is dialled for it."""
        address = _LOOPBACK if is_loopback_name(url.host) else url.address
        try:
            if address:
                self._policy.check(address, url.port)
            else:
                self._policy.check_port(url.port)
        except (ForbiddenAddress, ForbiddenPort) as error:
            raise failure_of(error, url, self._limits) from error
        is_our_own = bool(address) and self._policy.is_allowed(address, url.port)
        if not is_our_own and not self._identity.contact:
            raise ContactMissing(url.host)

    async def _fetch_robots(self, url: WebUrl, budget: TimeBudget) -> RobotsRules:
        began = time.time()
        try:
            status, body = await self._get_robots(url, budget)
        except FetchFailed as failure:
            if failure.reason in _NO_CONNECTION:
                raise
            message = f"{url.text} cannot be had, so nothing may be asked for: {failure}"
            reason = OutcomeReason.ROBOTS_UNREACHABLE
            raise FetchFailed(reason, message, retry_after_s=failure.retry_after_s) from failure
        # Parsing takes up to a fifth of a second.
        return await asyncio.to_thread(RobotsRules.parse, body, status=status, fetch_time=began)

    async def _get_robots(self, url: WebUrl, budget: TimeBudget) -> tuple[int, bytes]:
        """The status and the body of a robots.txt, empty where there is none, which allows everything."""

        async def read(response: aiohttp.ClientResponse) -> tuple[int, bytes]:
            return response.status, await read_start(response, max_bytes=ROBOTS_MAX_BYTES)

        at = url
        for _ in range(self._limits.max_redirects + 1):
            try:
                with on_the_way(url, at, is_robots=True):
                    self._check_before_dialling(at)
                    answer = await self._client.ask(Request(at, _ROBOTS_ACCEPT, read), budget)
            except StatusFailed as failure:
                if failure.reason in _NO_ROBOTS and failure.status >= 400:
                    return failure.status, b""
                raise
            if not isinstance(answer, WebUrl):
                return answer
            at = answer
        # RFC 9309, 2.3.1.2: as if there were none.
        return 0, b""


def _parse(url: str) -> WebUrl:
    try:
        return parse_url(url)
    except BadUrl as error:
        raise FetchFailed(OutcomeReason.BAD_URL, str(error)) from error


def _placeholder(url: WebUrl) -> FetchFailed:
    message = f"it leads to {url.text}, which is shown in place of pictures that are gone"
    return FetchFailed(OutcomeReason.PLACEHOLDER, message, final_url=url.text)


def _too_many_redirects(limits: FetchLimits, last: WebUrl) -> FetchFailed:
    message = f"more than {limits.max_redirects} redirects, the last to {last.host}"
    return FetchFailed(OutcomeReason.TOO_MANY_REDIRECTS, message, final_url=last.text)
