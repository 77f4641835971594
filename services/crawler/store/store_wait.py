"""Waiting while the store is away: a full disk or a service that does not answer costs time, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from services.crawler.store.blob_store import StoreAway

Result = TypeVar("Result")


class StoreWait:
    """Repeats what needs the store until it is done. While the store is away, one tries and the others wait for him.

    Belongs to one event loop.
    """

    def __init__(
        self, *, first_s: float = 1.0, last_s: float = 15.0, log_every_s: float = 60.0
    ) -> None:
        """Takes how long to wait between two tries, at first and at most, and between two lines in the log, seconds."""
        self._first_s = first_s
        self._last_s = last_s
        self._log_every_s = log_every_s
        self._away: StoreAway | None = None
        self._turn = asyncio.Lock()
        self._waiters = 0
        self._log_time_s = -log_every_s
        self._was_logged = False

    @property
    def waiting_for(self) -> str:
        """What is waited for and why, one sentence; empty while nobody waits."""
        return f"waiting for {self._away.dependency}: {self._away.cause}" if self._away else ""

    def require_there(self) -> None:
        """Passes while nobody waits.

        Raises:
            StoreAway: Somebody does.
        """
        if self._away is not None:
            raise StoreAway(self._away.where, self._away.cause)

    async def run(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Returns what `attempt` returns, once it raises no StoreAway. May be cancelled while it waits."""
        self._waiters += 1
        try:
            if self._away is None:
                try:
                    return await attempt()
                except StoreAway as away:
                    self._note(away)
            async with self._turn:
                return await self._until_done(attempt)
        finally:
            self._waiters -= 1
            if not self._waiters:
                # Nobody is left who would notice that it is back.
                self._away = None

    def log(self, away: StoreAway) -> None:
        """Says that the store is away, once a minute or so."""
        now_s = time.monotonic()
        if now_s - self._log_time_s >= self._log_every_s:
            self._log_time_s = now_s
            self._was_logged = True
            structlog.get_logger().warning("store_away", store=away.where, cause=away.cause)

    async def _until_done(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        delay_s = self._first_s
        while True:
            if self._away is not None:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, self._last_s)
            try:
                done = await attempt()
            except StoreAway as away:
                self._note(away)
            else:
                self._note_back()
                return done

    def _note(self, away: StoreAway) -> None:
        self._away = away
        self.log(away)

    def _note_back(self) -> None:
        self._away = None
        if self._was_logged:
            self._was_logged = False
            structlog.get_logger().info("store_back")
