"""Watches one crawl until it ends or Ctrl-C pauses it."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import grpc

from lodestone.cli.crawl.interruption import Interruption
from lodestone.cli.errors import EXIT_INTERRUPTED, CliError, explain
from lodestone.cli.running import Patience
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.crawl_pb2 import Crawl, SettledListing

_PAUSE_TIMEOUT_S: Final = 10.0


class Watcher(Protocol):
    """What is told of a crawl's events."""

    def settled(self, listing: SettledListing) -> None:
        """A listing has its outcome."""

    def changed(self, crawl: Crawl) -> None:
        """The counts or the state are new."""

    def pausing(self) -> None:
        """A pause was asked for."""


class CrawlWatch:
    """One crawl, from where it stands now to its end.

    An interruption that was asked for before it began pauses it at once.
    """

    def __init__(
        self, crawler: CrawlerClient, patience: Patience, crawl: Crawl, interruption: Interruption
    ) -> None:
        self._crawler = crawler
        self._patience = patience
        self._crawl = crawl
        self._interruption = interruption

    async def until_end(self, watcher: Watcher) -> Crawl:
        """Passes events on until the crawl is paused or has ended, and returns its last state.

        Raises:
            CliError: The crawler stayed away or cannot pause the crawl, or Ctrl-C was pressed twice.
        """
        watching = asyncio.create_task(self._watch(watcher))
        signalled = asyncio.create_task(self._interruption.asked())
        try:
            async with self._patience.limit():
                await asyncio.wait({watching, signalled}, return_when=asyncio.FIRST_COMPLETED)
                if self._interruption.is_asked and not watching.done():
                    watcher.pausing()
                    await self._pause()
                await watching
        except CliError as error:
            raise self._with_hint(str(error)) from error
        except asyncio.CancelledError as error:
            if not self._interruption.is_asked:
                raise
            raise self._with_hint("left before the crawl was paused") from error
        finally:
            for task in (watching, signalled):
                task.cancel()
            await asyncio.gather(watching, signalled, return_exceptions=True)
        return self._crawl

    async def _watch(self, watcher: Watcher) -> None:
        settled_before = self._crawl.progress.settled_count
        crawl_id = self._crawl.crawl_id
        async for event in self._crawler.watch_crawl(crawl_id, after_sequence=settled_before):
            if event.HasField("settled_listing"):
                watcher.settled(event.settled_listing)
            elif event.HasField("crawl"):
                self._crawl = event.crawl
                watcher.changed(event.crawl)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_PAUSE_TIMEOUT_S):
                await self._crawler.pause_crawl(self._crawl.crawl_id)
        except TimeoutError as error:
            raise CliError("the crawler did not answer the pause") from error
        except grpc.aio.AioRpcError as error:
            # FAILED_PRECONDITION: it has just ended by itself, and the watch says how.
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                message = f"the crawl could not be paused: {explain(error)}"
                raise CliError(message) from error

    def _with_hint(self, message: str) -> CliError:
        hint = f"go on later with: lodestone crawl --resume {self._crawl.crawl_id}"
        status = EXIT_INTERRUPTED if self._interruption.is_asked else 1
        return CliError(f"{message}; {hint}", exit_status=status)
