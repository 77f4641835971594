"""The decoder's end of one worker process: starts it, asks it, kills it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.crawler.decoding.wire import HEADER_MAX_BYTES, PREFIX, pack_header

WORKER_MODULE = "services.crawler.decoding.worker"

_ROOT = Path(__file__).resolve().parents[3]
# Nothing else: a worker needs none of the secrets that the crawler's environment may hold.
_ENVIRONMENT = {
    "PYTHONPATH": str(_ROOT),
    # Both reserve address space per thread, which the memory limit would count.
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    # Without these glibc maps every large buffer anew and the kernel clears each page: nothing to notice on one
    # machine, and two fifths of decoding a photo at its full size on another (measured).
    "MALLOC_MMAP_THRESHOLD_": "67108864",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
}
_START_S = 60.0
_STREAM_BUFFER_BYTES = 1 << 20
_NO_ANSWER = (ConnectionError, asyncio.IncompleteReadError, ValueError, RecursionError)


class WorkerDied(Exception):
    """The worker ended, or answered nonsense, before it gave an answer."""


class WorkerProcess:
    """One worker process at a time; a dead one is started anew when it is needed.

    Must be used from the thread that starts it: Linux ends a worker with the thread that made it.
    """

    def __init__(self, settings: Mapping[str, Any], *, answer_max_bytes: int) -> None:
        """Keeps what the worker is told first, and how many bytes may follow an answer."""
        self._settings = settings
        self._answer_max_bytes = answer_max_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._reaping: set[asyncio.Task[int]] = set()

    @property
    def pid(self) -> int | None:
        """The process id; None while there is no process."""
        return self._process.pid if self._process else None

    async def ensure_started(self) -> None:
        """Starts a process unless one lives, and waits until it is ready.

        Raises:
            WorkerDied: It ended before it was ready, or was not ready within a minute.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()
        try:
            async with asyncio.timeout(_START_S):
                await self._start()
        except (OSError, WorkerDied) as error:  # TimeoutError is an OSError
            self.kill()
            message = f"a decoder process does not start: {error or 'it is too slow'}"
            raise WorkerDied(message) from error
        except BaseException:
            self.kill()
            raise

    async def ask(self, task: Mapping[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Gives the worker one task and waits for its answer and the bytes behind it.

        Raises:
            WorkerDied: The process ended or its answer is no frame; it must be killed.
        """
        assert self._writer is not None
        try:
            self._writer.write(pack_header(task, len(payload)))
            self._writer.write(payload)
            await self._writer.drain()
            return await self._read_frame()
        except _NO_ANSWER as error:
            raise WorkerDied(str(error)) from error

    def kill(self) -> None:
        """Ends the process at once, whatever it does; `reaped` waits for its end."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        if self._writer is not None:
            self._writer.transport.abort()
        task = asyncio.create_task(asyncio.to_thread(process.wait))
        self._reaping.add(task)
        task.add_done_callback(self._reaping.discard)

    async def reaped(self) -> None:
        """Waits until every killed process is gone."""
        await asyncio.gather(*self._reaping)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # Not in a thread: see the class. It takes about a millisecond.
            self._process = _spawn(theirs.fileno())
        self._reader, self._writer = await asyncio.open_connection(
            sock=ours, limit=_STREAM_BUFFER_BYTES
        )
        ready, _ = await self.ask(self._settings, b"")
        if ready != {"ready": True}:
            raise WorkerDied("it is not ready")

    async def _read_frame(self) -> tuple[dict[str, Any], bytes]:
        header_bytes, payload_bytes = PREFIX.unpack(await self._reader.readexactly(PREFIX.size))
        if header_bytes > HEADER_MAX_BYTES or payload_bytes > self._answer_max_bytes:
            raise ValueError("the answer is too long")
        header = json.loads(await self._reader.readexactly(header_bytes))
        if not isinstance(header, dict):
            raise ValueError("the answer is no object")  # noqa: TRY004 - one error for all nonsense
        return header, await self._reader.readexactly(payload_bytes)


def _spawn(descriptor: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", WORKER_MODULE, str(descriptor), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - our own module with two numbers
        command,
        env=_ENVIRONMENT,
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
