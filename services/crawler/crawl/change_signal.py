"""Wakes all who wait for the next change."""

from __future__ import annotations

import asyncio


class ChangeSignal:
    """Hands out events, each set by the first change after it was handed out, so that none is missed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """An event that the next change sets; take it before looking at the state."""
        return self._next

    def notify(self) -> None:
        """Something changed."""
        self._next.set()
        self._next = asyncio.Event()
