"""gallery-dl as a process of its own: what it is told, and what it says, message by message.

It is free software under the GPL-2.0: it is run, and nothing of it is imported. It downloads nothing here. Its `-j`
does not do: in one form it says nothing before it is done, in the other it keeps its errors to itself (1.32.18). So its
`metadata` postprocessor writes a line for each post, file and child as it comes; its exit status says how it went.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from services.crawler.fetch.guard_proxy import GuardProxy
from services.crawler.fetch.time_budget import TimeBudget

URL_KEY = "lodestone_url"
KINDS = ("post", "file", "child")

_NAME = "gallery-dl"
_LINES_LOGGED = 100
_LINE_CHARACTERS = 500
_STATUS = re.compile(r"'(\d{3}) [^']*' for '")


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one run may cost.

    Attributes:
        pause_s: Between two requests, seconds; it asks one after the other.
        request_s: Without a byte of an answer, seconds.
        silence_s: Without a message, seconds.
        run_s: Until its end, seconds; not while nobody takes its messages.
        line_bytes: Of one message; longer ones are left out.
        messages: In all.
    """

    pause_s: float = 1.0
    request_s: float = 20.0
    silence_s: float = 300.0
    run_s: float = 6 * 3_600.0
    line_bytes: int = 1_000_000
    messages: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Message:
    """A line of its output.

    Attributes:
        kind: `post` begins one, `file` is one of its files, `child` is an address to be asked next.
        facts: What it says of it; a file's and a child's address is under `lodestone_url`.
    """

    kind: str
    facts: dict[str, Any]


class GalleryDlFailed(Exception):
    """A run did not come to its end.

    Attributes:
        exit_status: Its own, as of 1.32.18: 4 is an HTTP error, 8 a challenge, 16 a login that is missing or refused,
            64 an address that it does not know; 0 if we ended it.
        http_status: Of the last answer that it complains about; 0 if it names none.
    """

    def __init__(self, cause: str, *, exit_status: int = 0, http_status: int = 0) -> None:
        super().__init__(cause)
        self.exit_status = exit_status
        self.http_status = http_status


def find_program() -> str:
    """The program's path, on PATH or beside this interpreter; empty if it is not installed."""
    beside = Path(sys.executable).parent / _NAME
    return shutil.which(_NAME) or (str(beside) if beside.exists() else "")


async def run_gallery_dl(
    program: str, url: str, proxy: GuardProxy, limits: ProcessLimits
) -> AsyncGenerator[Message, None]:
    """Lists what is at a URL; leaving early kills the process and whatever it started.

    Raises:
        GalleryDlFailed: It did not come to its end.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        *("--config-ignore", "--no-input", "--no-colors", "--config-json", "/dev/stdin", "-w"),
        *("--", url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=limits.line_bytes,
        cwd="/",
        env=_environment(proxy),
        start_new_session=True,
    )
    complaints = _Complaints(url, proxy)
    reading = asyncio.create_task(complaints.read(process.stderr))
    try:
        await _tell(process, _settings(proxy, limits))
        async for message in _messages(process, limits):
            yield message
        exit_status = await process.wait()
        await reading
        if exit_status:
            raise complaints.as_failure(exit_status)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await _end(process)


def _settings(proxy: GuardProxy, limits: ProcessLimits) -> dict[str, Any]:
    """Its whole configuration. At the top level, where it outweighs what a site's extractor would do."""
    writers = [
        {"name": "metadata", "event": event, "filename": "-", **form}
        for event, word in zip(("post", "prepare", "child"), KINDS, strict=True)
        for form in ({"mode": "custom", "format": f"{word} "}, {"mode": "jsonl", "ascii": True})
    ]
    return {
        "proxy": proxy.url,
        "user-agent": proxy.user_agent,
        # It says who we are, and does not play a browser.
        "browser": "",
        "cookies-update": False,
        "netrc": False,
        "retries": 2,
        # A host that asks to be left alone is left alone by whoever runs it.
        "sleep-429": 0,
        "timeout": limits.request_s,
        "sleep-request": limits.pause_s,
        "download": False,
        "skip": False,
        "init": True,
        "children": False,
        "metadata-url": URL_KEY,
        "base-directory": "/nonexistent",
        "postprocessors": writers,
        "output": {"mode": "null"},
        "cache": {"file": ":memory:"},
    }


def _environment(proxy: GuardProxy) -> dict[str, str]:
    """Nothing of ours: no home, no keys. The proxy once more, for what does not ask through its own sessions."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), proxy.url)
    own = {"HOME": "/nonexistent", "PATH": os.defpath, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    return own | proxies | {name.upper(): value for name, value in proxies.items()}


async def _tell(process: asyncio.subprocess.Process, settings: dict[str, Any]) -> None:
    # Not in its arguments, which everybody on this machine can read.
    assert process.stdin is not None
    with suppress(ConnectionError):
        process.stdin.write(json.dumps(settings).encode())
        await process.stdin.drain()
    process.stdin.close()


async def _messages(
    process: asyncio.subprocess.Process, limits: ProcessLimits
) -> AsyncGenerator[Message, None]:
    assert process.stdout is not None
    budget, count = TimeBudget(limits.run_s), 0
    while True:
        try:
            async with budget.spend(), asyncio.timeout(limits.silence_s):
                line = await _read_line(process.stdout)
        except TimeoutError as error:
            silence, whole = limits.silence_s, limits.run_s
            message = f"gallery-dl said nothing for {silence:,g} s, or went on for {whole:,g} s"
            raise GalleryDlFailed(message) from error
        if line is None:
            return
        count += 1
        if count > limits.messages:
            message = f"gallery-dl lists more than {limits.messages:,} entries"
            raise GalleryDlFailed(message)
        yield _message(line)


async def _read_line(stream: asyncio.StreamReader) -> bytes | None:
    """The next line; empty if it was too long; None at the end."""
    too_long = False
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial if error.partial and not too_long else None
        except asyncio.LimitOverrunError as error:
            too_long = True
            await stream.readexactly(error.consumed)
            continue
        return b"" if too_long else line


def _message(line: bytes) -> Message:
    """Reads a line; what is none is a message of no kind."""
    kind, _, text = line.partition(b" ")
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return Message("", {})
    is_one = isinstance(facts, dict) and kind.decode("latin-1") in KINDS
    return Message(kind.decode("latin-1"), facts) if is_one else Message("", {})


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # Reads what is left, so that its pipes are closed.
    await process.communicate()


class _Complaints:
    """What it says on stderr, some of it logged and the last kept."""

    def __init__(self, url: str, proxy: GuardProxy) -> None:
        self._log = structlog.get_logger().bind(url=url)
        self._secret = proxy.url
        self._lines: deque[str] = deque(maxlen=5)
        self._count = 0

    async def read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while (line := await _read_line(stream)) is not None:
            text = line.decode("utf-8", "replace").strip()[:_LINE_CHARACTERS]
            if not text:
                continue
            self._count += 1
            self._lines.append(text.replace(self._secret, "…"))
            if self._count <= _LINES_LOGGED:
                self._log.warning("gallery_dl_says", line=self._lines[-1])

    def as_failure(self, exit_status: int) -> GalleryDlFailed:
        cause = self._lines[-1] if self._lines else "it gives no reason"
        statuses = [int(found[1]) for line in self._lines if (found := _STATUS.search(line))]
        return GalleryDlFailed(
            f"gallery-dl ended with status {exit_status}: {cause}",
            exit_status=exit_status,
            http_status=statuses[-1] if statuses else 0,
        )
