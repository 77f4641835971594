"""The fetcher: listings and pages to bytes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import structlog

from services.crawler.fetch.address import AddressPolicy
from services.crawler.fetch.answer_rules import compliance_of, refuse_opt_out
from services.crawler.fetch.body import read_body
from services.crawler.fetch.charset import decode_html
from services.crawler.fetch.document import Document, DocumentRequest
from services.crawler.fetch.guard_proxy import GuardProxy
from services.crawler.fetch.guarded_connector import forget_peer, peer_address
from services.crawler.fetch.host_paces import HostPaces, HostResting
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.local_file import read_listed_file
from services.crawler.fetch.polite_client import PoliteClient
from services.crawler.fetch.robots_rules import RobotsRules
from services.crawler.fetch.tar_file import read_listed_member
from services.crawler.fetch.url import without_credentials
from services.crawler.fetch.web_client import Network
from services.crawler.listing import Listing
from services.crawler.outcome import Fetched, FetchFailed, StatusFailed

PAGE_MAX_BYTES = 5_000_000

_HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})
_LOCAL = {"file": read_listed_file, "tar": read_listed_member}
_IMAGE_ACCEPT = "image/*,*/*;q=0.5"
_PAGE_ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.5"


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


class Fetcher:
    """Fetches local files and, through one polite client, what is on the web; use it as an async context manager."""

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        identity: Identity,
        limits: FetchLimits | None = None,
        network: Network | None = None,
        placeholder_urls: frozenset[str] = frozenset(),
    ) -> None:
        """Keeps the settings; `network` replaces what is the system's, `placeholder_urls` adds to the known ones."""
        self._identity = identity
        self._limits = limits or FetchLimits()
        self._client = PoliteClient(
            policy=policy,
            identity=identity,
            limits=self._limits,
            network=network,
            placeholder_urls=placeholder_urls,
        )
        self._log = structlog.get_logger()

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

    async def fetch(self, listing: Listing) -> Fetched:
        """Fetches a listing's bytes, and logs one line about it.

        Raises:
            FetchFailed: They could not be fetched; says why.
            HostResting: A host is not to be asked yet.
            ContactMissing: A host is not our own, and no contact is configured.
        """
        read_local = _LOCAL.get(listing.url.partition(":")[0].lower())
        if read_local is not None:
            local, max_bytes = self._limits.local, self._limits.max_bytes
            encoded = await asyncio.to_thread(read_local, listing, local, max_bytes=max_bytes)
            return Fetched(encoded, listing.url)
        began = time.monotonic()
        forget_peer()
        try:
            fetched = await self._client.get(listing.url, self._read_image, accept=_IMAGE_ACCEPT)
        except FetchFailed as failure:
            self._log_fetch(listing, failure.final_url, began, reason=failure.reason.value)
            raise
        self._log_fetch(listing, fetched.final_url, began, size_bytes=len(fetched.encoded))
        return fetched

    async def ask_again(self, url: str) -> None:
        """Asks whether an image may still be had, and reads no body.

        Raises:
            FetchFailed: It may not; says why.
            HostResting, ContactMissing: As for `fetch`.
        """

        async def read(response: aiohttp.ClientResponse, _rules: RobotsRules) -> None:
            refuse_opt_out(response)

        await self._client.get(url, read, accept=_IMAGE_ACCEPT)

    async def fetch_page(self, url: str, *, max_bytes: int = PAGE_MAX_BYTES) -> Page:
        """Fetches an HTML page, of at most `max_bytes`; waits for its host's turn, however long that takes.

        Raises:
            FetchFailed: It could not be fetched; says why.
            ContactMissing: A host is not our own, and no contact is configured.
        """

        async def read(response: aiohttp.ClientResponse, _rules: RobotsRules) -> Page:
            refuse_opt_out(response)
            stated = response.headers.get("Content-Type", "")
            content_type = stated.partition(";")[0].strip().lower()
            if content_type not in _HTML_TYPES:
                return Page("", str(response.url), content_type)
            body = await read_body(response, self._limits, max_bytes=max_bytes)
            return Page(decode_html(body, stated), str(response.url), content_type)

        while True:
            try:
                return await self._client.get(url, read, accept=_PAGE_ACCEPT)
            except HostResting as resting:
                await asyncio.sleep(resting.wait_s)

    def open_session(self, url: str) -> aiohttp.ClientSession:
        """A session over the guarded connector, for a client library that asks the host of `url` itself.

        Raises:
            FetchFailed: The address must not be asked.
            ContactMissing: The host is not our own, and no contact is configured.
        """
        return self._client.open_session(url)

    def open_proxy(self) -> GuardProxy:
        """A proxy on loopback for a program that asks the web itself: what it wants to reach passes the guard."""
        return self._client.open_proxy()

    async def fetch_document(self, request: DocumentRequest) -> Document:
        """Fetches what an API, a feed or a site's map answers; waits for its host's turn, however long that takes.

        Raises:
            FetchFailed: It could not be fetched. Its text holds none of the request's secrets.
            ContactMissing: A host is not our own, and no contact is configured.
        """

        async def read(response: aiohttp.ClientResponse) -> Document:
            body = await read_body(response, self._limits, max_bytes=request.max_bytes)
            headers = {name.lower(): value for name, value in response.headers.items()}
            final_url = _without(request.secrets, str(response.url))
            return Document(body, final_url, headers.get("content-type", ""), headers)

        while True:
            try:
                return await self._client.get_document(request, read)
            except HostResting as resting:
                await asyncio.sleep(resting.wait_s)
            except FetchFailed as failure:
                raise _scrubbed(failure, request.secrets) from None

    async def _read_image(self, response: aiohttp.ClientResponse, rules: RobotsRules) -> Fetched:
        refuse_opt_out(response)
        compliance = compliance_of(response, rules, user_agent=self._identity.user_agent)
        encoded = await read_body(response, self._limits, max_bytes=self._limits.max_bytes)
        return Fetched(encoded, str(response.url), compliance)

    def _log_fetch(self, listing: Listing, final_url: str, began: float, **facts: object) -> None:
        self._log.info(
            "fetch",
            url=without_credentials(listing.url),
            source=listing.source,
            final_url=final_url,
            final_address=peer_address(),
            seconds=round(time.monotonic() - began, 3),
            **facts,
        )


def _scrubbed(failure: FetchFailed, secrets: tuple[str, ...]) -> FetchFailed:
    """The same failure without any secret: itself if it has none."""
    text, url = (_without(secrets, shown) for shown in (str(failure), failure.final_url))
    if (text, url) == (str(failure), failure.final_url):
        return failure
    wait_s = failure.retry_after_s
    if isinstance(failure, StatusFailed):
        return StatusFailed(
            failure.reason, text, status=failure.status, final_url=url, retry_after_s=wait_s
        )
    return FetchFailed(failure.reason, text, final_url=url, retry_after_s=wait_s)


def _without(secrets: tuple[str, ...], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text
