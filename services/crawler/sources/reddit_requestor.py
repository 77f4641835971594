"""What asyncpraw sends its requests with: our own session, within bounds, so that it only sees answers it can read."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from asyncprawcore import Requestor

from services.crawler.fetch.body import read_body
from services.crawler.fetch.document import DOCUMENT_MAX_BYTES
from services.crawler.fetch.failure import REQUEST_ERRORS, failure_of, failure_of_status
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.retry_after import read_retry_after
from services.crawler.fetch.url import WebUrl, parse_url

_RATE_HEADERS = ("x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset")
# Reddit's window is ten minutes; nothing that comes back makes us wait for longer than this.
_RESET_MAX_S = 3_600.0
_COUNT_MAX = 1e6
# asyncprawcore deals with these: it takes a new token, and keeps its count of requests.
_PASSED_ON = frozenset({200, 401, 429})


@dataclass(frozen=True, slots=True)
class BoundedAnswer:
    """An answer of Reddit's, read to its end, with the part of aiohttp's response that asyncprawcore uses.

    Attributes:
        status: 200, 401 or 429.
        headers: Those that asyncprawcore reads, in the form that it expects.
        body: The bytes, at most 10 MB; empty unless the status is 200.
        retry_after_s: Seconds until another try is worth it; None if Reddit says nothing.
        text: What asyncprawcore quotes of a 429; nothing.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    retry_after_s: float | None = None
    text: str = ""

    async def json(self) -> Any:
        """The body as JSON. Raises ValueError if it is none, or nested too deeply."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


class GuardedRequestor(Requestor):
    """Sends over a guarded session, follows no redirect, reads at most 10 MB within the session's time."""

    def __init__(self, *, session: aiohttp.ClientSession, **settings: Any) -> None:
        """Takes the session, which has our User-Agent, and what asyncpraw's own requestor takes."""
        super().__init__(session=session, **settings)
        self._session = session
        # asyncprawcore joins paths to it as a browser would: without the slash a path of its own would be lost.
        self.oauth_url = f"{self.oauth_url.rstrip('/')}/"
        total_s, first_byte_s = session.timeout.total, session.timeout.sock_read
        defaults = FetchLimits()
        self._limits = FetchLimits(
            total_s=total_s or defaults.total_s, first_byte_s=first_byte_s or defaults.first_byte_s
        )

    @asynccontextmanager
    async def request(  # type: ignore[override] # asyncprawcore gives method and address by position only
        self,
        method: str,
        url: str,
        *,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - asyncprawcore's, taken from the environment
        **options: Any,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Sends a request and reads the answer.

        Raises:
            FetchFailed: There is no answer, or its status is none that asyncprawcore is to see.
        """
        answer = await self._ask(method, parse_url(url), options)
        yield cast("aiohttp.ClientResponse", answer)

    async def _ask(self, method: str, url: WebUrl, options: Mapping[str, Any]) -> BoundedAnswer:
        sent = dict(options) | {"allow_redirects": False}
        if (pair := sent.pop("auth", None)) is not None:
            # As aiohttp wants it from now on.
            told = {"Authorization": aiohttp.encode_basic_auth(pair.login, pair.password)}
            sent["headers"] = sent.get("headers", {}) | told
        try:
            async with self._session.request(method, url.text, **sent) as response:
                wait_s = _retry_after_s(response)
                if response.status not in _PASSED_ON:
                    raise failure_of_status(response.status, url, retry_after_s=wait_s)
                is_body = response.status == 200
                body = (
                    await read_body(response, self._limits, max_bytes=DOCUMENT_MAX_BYTES)
                    if is_body
                    else b""
                )
                return BoundedAnswer(response.status, _headers(response), body, wait_s)
        except REQUEST_ERRORS as error:
            raise failure_of(error, url, self._limits) from error


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """What asyncprawcore reads of the headers: whole numbers, and for a 401 the reason that it knows."""
    numbers = [_number(response.headers.get(name, "")) for name in _RATE_HEADERS]
    told = {}
    if all(number is not None for number in numbers):
        told = {
            name: str(int(number or 0)) for name, number in zip(_RATE_HEADERS, numbers, strict=True)
        }
        told["x-ratelimit-reset"] = str(min(int(told["x-ratelimit-reset"]), int(_RESET_MAX_S)))
    if response.status == 401:
        told["www-authenticate"] = 'Bearer error="invalid_token"'
    return told


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """What `Retry-After` says, else of a 429 when the window of the rate limit ends."""
    asked_s = read_retry_after(response.headers.get("Retry-After", ""), now=time.time())
    if asked_s is None and response.status == 429:
        reset_s = _number(response.headers.get("x-ratelimit-reset", ""))
        return None if reset_s is None else min(reset_s, _RESET_MAX_S)
    return asked_s if response.status in (429, 503) else None


def _number(text: str) -> float | None:
    """A number of 0 to a million, which is larger than any of Reddit's; None for all else."""
    try:
        number = float(text[:20])
    except ValueError:
        return None
    return min(number, _COUNT_MAX) if math.isfinite(number) and number >= 0 else None
