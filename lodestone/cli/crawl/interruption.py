"""Ctrl-C, heard as a wish to pause rather than as an end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lodestone.cli.errors import EXIT_INTERRUPTED, CliError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """The first signal (SIGINT, SIGTERM, SIGHUP) is noted, the second one cancels the task that hears them."""

    def __init__(self) -> None:
        self._signalled = asyncio.Event()

    @property
    def is_asked(self) -> bool:
        """Whether a signal came."""
        return self._signalled.is_set()

    async def asked(self) -> None:
        """Waits for a signal."""
        await self._signalled.wait()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hears signals, from before a crawl is started on: one that comes while the crawler answers is not lost.

        Raises:
            CliError: The second one came before there was a crawl to be paused.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def interrupt() -> None:
            if self.is_asked:
                task.cancel()
            self._signalled.set()

        for number in _SIGNALS:
            loop.add_signal_handler(number, interrupt)
        try:
            yield
        except asyncio.CancelledError as error:
            if not self.is_asked:
                raise
            message = "left before the crawler answered; what runs is listed by: lodestone crawls"
            raise CliError(message, exit_status=EXIT_INTERRUPTED) from error
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
