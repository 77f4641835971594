"""How commands run: addresses from the environment, and an end to waiting."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from lodestone.cli.errors import CliError, plain_reason
from lodestone.client import (
    Addresses,
    CrawlerClient,
    EmbedderClient,
    NoveltyClient,
    Transport,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE_S = 60.0


def addresses() -> Addresses:
    """Where the services are, from LODESTONE_EMBEDDER and so on.

    Raises:
        BadAddress: One of them is not `host:port`.
    """
    return Addresses.from_environment(os.environ)


def transport() -> Transport:
    """How they are reached, from LODESTONE_TLS and LODESTONE_TOKEN_FILE."""
    return Transport.from_environment(os.environ)


def crawler_client(**options: Any) -> CrawlerClient:
    """A client of the crawler, as the environment says.

    Raises:
        BadAddress: An address is not `host:port`.
        BadTlsFiles: The files of LODESTONE_TLS are no good.
        BadToken: The one of LODESTONE_TOKEN_FILE is not.
    """
    return CrawlerClient(addresses().crawler, transport=transport(), **options)


def ask_crawler(ask: Callable[[CrawlerClient], Awaitable[Result]]) -> Result:
    """What comes of one question to the crawler, asked once it is there.

    Raises:
        ServiceUnreachable: It is not.
        grpc.aio.AioRpcError: It has refused.
        BadAddress, BadTlsFiles, BadToken: As for `crawler_client`.
    """

    async def asking() -> Result:
        async with crawler_client() as crawler:
            await crawler.require_reachable()
            return await ask(crawler)

    return asyncio.run(asking())


def embedder_client(**options: Any) -> EmbedderClient:
    """The same for the embedder."""
    return EmbedderClient(addresses().embedder, transport=transport(), **options)


def novelty_client(**options: Any) -> NoveltyClient:
    """The same for the novelty service."""
    return NoveltyClient(addresses().novelty, transport=transport(), **options)


class Patience:
    """How long a service may stay away: an `on_wait` for clients, and a note when it is away and when it is back.

    Clients wait for ever; a person wants to know after a minute.
    """

    def __init__(
        self, word: str, note: Callable[[str], None], *, limit_s: float | None = None
    ) -> None:
        self._word = word
        self._note = note
        self._limit_s = PATIENCE_S if limit_s is None else limit_s
        self._timeout: asyncio.Timeout | None = None
        self._reason: str | None = None

    def on_wait(self, reason: str | None) -> None:
        """Told why calls wait, or None when they do not."""
        if (reason is None) != (self._reason is None):
            why = (
                "is back" if reason is None else f"is away ({plain_reason(reason)}): waiting for it"
            )
            self._note(f"the {self._word} {why}")
            if self._timeout is not None:
                now = asyncio.get_running_loop().time()
                self._timeout.reschedule(None if reason is None else now + self._limit_s)
        self._reason = reason

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Ends what is inside when the service stays away too long.

        Raises:
            CliError: It did.
        """
        reason = None
        try:
            async with asyncio.timeout(None) as self._timeout:
                try:
                    yield
                finally:
                    reason = self._reason
        except TimeoutError as error:
            if self._timeout is None or not self._timeout.expired():
                raise
            why = plain_reason(reason or "no answer")
            message = f"the {self._word} stayed away for {self._limit_s:g} s: {why}"
            raise CliError(message) from error
        finally:
            self._timeout = None


async def ordered_map(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], *, limit: int
) -> AsyncIterator[tuple[Item, Result]]:
    """Yields each item with its result, in the order of the items, with at most `limit` under way."""
    running: deque[tuple[Item, asyncio.Future[Result]]] = deque()
    try:
        for item in items:
            running.append((item, asyncio.ensure_future(work(item))))
            if len(running) >= limit:
                first, task = running.popleft()
                yield first, await task
        while running:
            first, task = running.popleft()
            yield first, await task
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)
