"""One process that is kept alive: started, awaited until it serves, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from lodestone.cli import tether
from lodestone.cli.errors import CliError
from lodestone.cli.up.last_words import last_words
from lodestone.client import Backoff

# What a service ends with when its settings or artifacts make every start fail.
EXIT_MISCONFIGURED: Final = 78

_TAIL_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run.

    Attributes:
        word: What a person calls it, for example `embedder`.
        command: The program, by its full path, and its arguments.
        environment: All of its environment.
        log: The file that its output is appended to.
        is_healthy: Whether it serves.
    """

    word: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    is_healthy: Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Timing:
    """How a child is treated, seconds and counts.

    Attributes:
        poll_s: Between two questions whether it serves.
        first_retry_s: Before the first new start; doubles up to `last_retry_s` until it serves again.
        last_retry_s: Before a new start at most.
        early_deaths: So many deaths before it ever served end the supervision.
        grace_s: From SIGTERM to SIGKILL.
    """

    poll_s: float = 0.2
    first_retry_s: float = 0.5
    last_retry_s: float = 15.0
    early_deaths: int = 5
    grace_s: float = 25.0


class Child:
    """A supervised process.

    Attributes:
        served: Set once it has served for the first time.
    """

    def __init__(self, spec: ChildSpec, timing: Timing, note: Callable[[str], None]) -> None:
        self.spec = spec
        self.served = asyncio.Event()
        self._timing = timing
        self._note = note
        self._process: asyncio.subprocess.Process | None = None
        self._backoff = Backoff(initial_s=timing.first_retry_s, max_s=timing.last_retry_s)

    @property
    def pid(self) -> int | None:
        """The process id of the running process, if one runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    async def keep_alive(self) -> None:
        """Starts the process again and again; returns never.

        Raises:
            CliError: It is misconfigured, or died too often, before it ever served. One line: its own last words, or
                where its log is.
        """
        deaths = 0
        while True:
            log_start = await self._start()
            status = await self._live()
            deaths += 1
            said = last_words(self._written_since(log_start))
            hopeless = status == EXIT_MISCONFIGURED or deaths >= self._timing.early_deaths
            if hopeless and not self.served.is_set():
                message = said or f"ended with status {status}; its log is {self.spec.log}"
                raise CliError(f"{self.spec.word}: {message}")
            delay_s = self._backoff.next_s()
            self._note(
                f"{self.spec.word} ended with status {status} ({said or f'its log is {self.spec.log}'}): "
                f"starting it again in {delay_s:.1f} s"
            )
            await asyncio.sleep(delay_s)

    async def stop(self) -> None:
        """Ends the process: SIGTERM, and SIGKILL when the grace is over."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(self._timing.grace_s):
                    await self._process.wait()
            except TimeoutError:
                self._note(f"{self.spec.word} did not stop in {self._timing.grace_s:g} s: killed")
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """Ends the process, and what it has started and left behind, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _start(self) -> int:
        """Starts the process in a group of its own: Ctrl-C in the terminal is the supervisor's to pass on."""
        with self._open_log() as log:
            start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *tether.tethered(os.getpid(), self.spec.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.spec.environment),
                process_group=0,
            )
        return start

    async def _live(self) -> int:
        assert self._process is not None
        watching = asyncio.create_task(self._watch_health())
        try:
            return await self._process.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            if self._process.returncode is not None:
                self.kill()

    async def _watch_health(self) -> None:
        while not await self.spec.is_healthy():  # noqa: ASYNC110 - another process cannot set our event
            await asyncio.sleep(self._timing.poll_s)
        self._backoff.reset()
        if self.served.is_set():
            self._note(f"{self.spec.word} serves again")
        self.served.set()

    def _open_log(self) -> BinaryIO:
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        log = self.spec.log.open("ab")
        log.seek(0, os.SEEK_END)
        return log

    def _written_since(self, log_start: int) -> str:
        """The end of what this start wrote."""
        with self.spec.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(log_start, end - _TAIL_BYTES))
            return log.read().decode(errors="replace")
