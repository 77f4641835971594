"""How long a stream may last: clients open another then, on a connection that is new."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self


class Term:
    """The time of one stream, from `with` on.

    Args:
        limit_s: Its length, seconds; infinite is none.

    Attributes:
        limit_s: The same.
        waiting: What is to end when it does.
        is_over: Whether it has passed.
        is_cut: Whether the stream was cut short, by its end or by a drain; one that came to its end is not.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._timer: asyncio.TimerHandle | None = None
        self.waiting: asyncio.Timeout | None = None
        self.is_over = False
        self.is_cut = False

    def _end(self) -> None:
        self.is_over = True
        if self.waiting is not None:
            end_wait(self.waiting)

    def __enter__(self) -> Self:
        if math.isfinite(self.limit_s):
            self._timer = asyncio.get_running_loop().call_later(self.limit_s, self._end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()


def end_wait(waiting: asyncio.Timeout) -> None:
    """Has a timeout pass now."""
    if not waiting.expired():
        waiting.reschedule(asyncio.get_running_loop().time())
