"""Runs one hostile case: a real fetcher, a raw site, a name server, and traps that nobody may touch."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp

from services.crawler.fetch.address import AddressPolicy, AllowedAddress
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.host_paces import HostResting
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.fetch.web_client import Network
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed
from services.servicekit.errors import ItemRejected
from services.servicekit.image import DecodeLimits, decode
from tests.crawler.fetch.dns_server import GARBAGE, SERVER_FAILURE, SILENCE, DnsServer
from tests.crawler.fetch.raw_server import RawServer, Respond, answer, by_path, says
from tests.hostile.certificates import client_context, server_context
from tests.hostile.socket_log import SocketLog, socket_log
from tests.hostile.web_case import FETCHED, PASSED, RESTING, Answers, WebCase

GOOD, TRAP = "127.0.0.1", "127.0.0.2"
_NAMES = {
    "site.example": [[GOOD]],
    "other.example": [[GOOD]],
    "xn--80ak6aa92e.example": [[GOOD]],
    "mixed.example": [[GOOD, TRAP]],
    "mixed-last.example": [[TRAP, GOOD]],
    "alias.example": [["inner.example"]],
    "inner.example": [[TRAP]],
    "rebound.example": [[GOOD], [TRAP]],
    "private.example": [["10.0.0.1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "kubernetes.default.svc": [["10.96.0.1"]],
    "kubernetes": [["10.96.0.1"]],
    "db.default.svc.cluster.local": [["10.96.0.7"]],
    "localhost": [[GOOD]],
    "empty.example": [[]],
    "garbage.example": [[GARBAGE]],
    "broken.example": [[SERVER_FAILURE]],
    "silent.example": [[SILENCE]],
}
# What the tests' own TLS servers say when the client turns away.
_SERVER_TROUBLE = "Error on transport creation for incoming connection"
_LIMITS: dict[str, Any] = {
    "max_bytes": 1_000_000,
    "connect_s": 1.5,
    "first_byte_s": 1.5,
    "total_s": 3.0,
    "rate_window_s": 0.5,
    "patience_s": 1.0,
    "pace": PaceLimits(requests_per_s=1_000.0, first_pause_s=0.05),
}


@dataclass
class Seen:
    """What became of a case.

    Attributes:
        outcome: The reason, FETCHED, PASSED or RESTING.
        message: What the failure says; empty if there is none.
        seconds: How long the last fetch took.
        deadline_s: How long it was allowed to take.
        trapped: Connections that traps saw, and requests to a proxy.
        strays: Addresses that were connected to, apart from the site and the name server.
        requests: The heads of the requests that the site saw, apart from robots.txt.
        names: The names that the name server was asked for, each as often as it was.
        system_names: The names that the system was asked for.
        rests_s: For how long the host is left alone afterwards, seconds.
        errors: Errors that nobody caught.
    """

    outcome: str
    message: str
    seconds: float
    deadline_s: float
    trapped: int
    strays: list[tuple[str, int]]
    requests: list[str]
    names: list[str]
    system_names: list[str]
    rests_s: float
    errors: list[str]


class _Run:
    """The servers of one case."""

    def __init__(self, case: WebCase) -> None:
        self.case = case
        self.limits = FetchLimits(**_LIMITS | case.limits)

    async def open(self, stack: AsyncExitStack) -> None:
        tls = server_context(self.case.tls, "site.example") if self.case.tls else None
        self.site = await stack.enter_async_context(
            RawServer(says(answer()), tls=tls, first=self.case.first)
        )
        secret = says(answer(b"secret"))
        trap = await stack.enter_async_context(RawServer(secret, host="0.0.0.0"))
        self.traps = [
            trap,
            await stack.enter_async_context(RawServer(secret, host="::1", port=trap.port)),
            await stack.enter_async_context(RawServer(secret, host=TRAP, port=self.site.port)),
            await stack.enter_async_context(RawServer(secret, host="::1", port=self.site.port)),
        ]
        bound = stack.enter_context(socket.socket())
        bound.bind((GOOD, 0))
        # Where nobody listens.
        self.free_port: int = bound.getsockname()[1]
        self.allowed = [f"{GOOD}:{port}" for port in (self.site.port, self.free_port)]
        self.site._respond = self.behaviour(self.case.site)
        if self.case.robots is not None:
            self.site._robots = self.behaviour(self.case.robots)
        self.dns = await stack.enter_async_context(DnsServer(_NAMES))
        self.fetcher = await stack.enter_async_context(self._new_fetcher())

    def behaviour(self, answers: Answers) -> Respond:
        if isinstance(answers, bytes):
            return says(self.fill(answers))
        if callable(answers):
            return answers
        return by_path({path: self.fill(whole) for path, whole in answers.items()})

    def fill(self, template: bytes) -> bytes:
        for word, port in ((b"{port}", self.site.port), (b"{trap}", self.traps[0].port)):
            template = template.replace(word, str(port).encode())
        return template

    def _new_fetcher(self) -> Fetcher:
        return Fetcher(
            policy=AddressPolicy(tuple(map(AllowedAddress.parse, self.allowed))),
            identity=Identity("0", "https://example.org/bot"),
            limits=self.limits,
            network=Network(
                resolver=aiohttp.AsyncResolver(
                    nameservers=[GOOD],
                    udp_port=self.dns.port,
                    tcp_port=self.dns.port,
                    timeout=0.3,
                    tries=1,
                    domains=[],
                ),
                tls=client_context() if self.case.tls else None,
            ),
        )

    def url(self) -> str:
        url = self.case.url.replace("{port}", str(self.site.port))
        url = url.replace("{free}", str(self.free_port))
        return url.replace("{trap}", str(self.traps[0].port))

    async def fetch(self) -> tuple[str, str]:
        """The outcome and the message; what is fetched must decode."""
        listing = Listing(source="urls:/list.txt", url=self.url())
        try:
            fetched = await self.fetcher.fetch(listing)
            await asyncio.to_thread(decode, fetched.encoded, DecodeLimits())
        except FetchFailed as failure:
            return failure.reason.value, str(failure)
        except HostResting as resting:
            return RESTING, str(resting)
        except ItemRejected as rejection:
            failure = FetchFailed.from_rejection(rejection, final_url=fetched.final_url)
            return failure.reason.value, str(failure)
        return FETCHED, ""

    def forget_names(self) -> None:
        self.fetcher._client._client._session.connector.clear_dns_cache()

    def rests_s(self) -> float:
        with contextlib.suppress(BadUrl):
            return self.fetcher.paces.wait_s(parse_url(self.url()).host)
        return 0.0

    def strays(self, log: SocketLog) -> list[tuple[str, int]]:
        allowed = {(GOOD, port) for port in (self.site.port, self.dns.port, self.free_port)}
        return [address for address in log.connected if address not in allowed]


async def run_case(case: WebCase, *, proxy_port: int = 0) -> Seen:
    """Runs a case; `proxy_port` is where the environment's proxy would be."""
    if case.expected == PASSED:
        return _look_at(case)
    errors: list[str] = []

    def note(_loop: object, context: dict[str, Any]) -> None:
        if context["message"] != _SERVER_TROUBLE:
            errors.append(str(context))

    asyncio.get_running_loop().set_exception_handler(note)
    async with AsyncExitStack() as stack:
        run = _Run(case)
        await run.open(stack)
        if proxy_port:
            run.traps.append(
                await stack.enter_async_context(RawServer(says(answer()), port=proxy_port))
            )
        with socket_log() as log:
            if case.again:
                await run.fetch()
                run.forget_names()
            began = time.monotonic()
            outcome, message = await run.fetch()
            seconds = time.monotonic() - began
            rests_s = run.rests_s()
    return Seen(
        outcome=outcome,
        message=message,
        seconds=seconds,
        deadline_s=run.limits.total_s,
        trapped=sum(trap.connections + len(trap.robots_requests) for trap in run.traps),
        strays=run.strays(log),
        requests=run.site.requests,
        names=[name for name, count in run.dns.asked.items() for _ in range(count)],
        system_names=log.system_names,
        rests_s=rests_s,
        errors=errors,
    )


def _look_at(case: WebCase) -> Seen:
    """Negative controls: the guard must let a public address pass; nothing is dialled."""
    url = parse_url(case.url)
    AddressPolicy().check(url.address, url.port)
    return Seen(PASSED, "", 0.0, 0.0, 0, [], [], [], [], 0.0, [])
