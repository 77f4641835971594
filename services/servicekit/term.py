"""How long a stream may last: clients open another then, on a connection that is new."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Any, Self

from services.servicekit.errors import StreamAged


class Term:
    """The time of one stream, from `with` on.

    Args:
        limit_s: Its length, seconds.

    Attributes:
        is_over: Whether it has passed.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._timer: asyncio.TimerHandle | None = None
        # What is cancelled when it ends.
        self.upcoming: asyncio.Task[Any] | None = None
        self.is_over = False

    def require_not_over(self) -> None:
        """Tells a client whose requests were not read to the end to open another stream.

        Raises:
            StreamAged: It is over.
        """
        if self.is_over:
            raise StreamAged(self._limit_s)

    def _end(self) -> None:
        self.is_over = True
        if self.upcoming is not None:
            self.upcoming.cancel()

    def __enter__(self) -> Self:
        if math.isfinite(self._limit_s):
            self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.upcoming = None
