"""A web of many hosts on one port, told apart by the Host header, that keeps a log of who asked what and when.

It runs as a process of its own: `python -m tests.hostile.faithful_site SOCKET LOG PLAN`, the listening socket's file
descriptor, the log's path and the plan as JSON. It serves until its standard input ends. Tests use `FaithfulSite`.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.utils import formatdate
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from PIL import Image as PillowImage

ROOT = Path(__file__).parents[2]
PRIVATE = "/private/"

_PATH = re.compile(r"/(private/)?(\d{6})\.jpg")
_PICTURES = 16
_BROKEN_HOST = 3


class Fate(StrEnum):
    """What the site does with a URL."""

    FAST = "FAST"
    SLOW = "SLOW"
    LIMITED = "LIMITED"
    FAILING = "FAILING"


@dataclass(frozen=True, slots=True)
class Robots:
    """One host's robots.txt.

    Attributes:
        status: 200, 404 or 503; a 5xx forbids everything (RFC 9309, 2.3.1.4).
        disallow: Prefixes of paths.
        crawl_delay_s: None if it states none.
    """

    status: int
    disallow: tuple[str, ...] = ()
    crawl_delay_s: float | None = None

    @property
    def text(self) -> str:
        """The file."""
        lines = ["User-agent: *", *(f"Disallow: {prefix}" for prefix in self.disallow)]
        if self.crawl_delay_s is not None:
            lines.append(f"Crawl-delay: {self.crawl_delay_s:g}")
        return "\n".join([*lines, ""]) if self.status == 200 else "no robots.txt\n"


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What there is and how it behaves: a function of the seed alone, the same in the server and in a test.

    Attributes:
        hosts: How many, at most 9,999; the fourth answers 503 for its robots.txt.
        urls: How many, at most a million, dealt to the hosts in turn.
        slow_max_s: The longest that a slow URL takes.
        crawl_delay_max_s: The longest `Crawl-delay`; half of it is the shortest.
        retry_after_max_s: The longest `Retry-After`, in whole seconds.
    """

    seed: int = 1
    hosts: int = 1_000
    urls: int = 100_000
    slow_share: float = 0.10
    limited_share: float = 0.10
    failing_share: float = 0.05
    slow_max_s: float = 2.0
    crawl_delay_max_s: float = 1.0
    retry_after_max_s: int = 2

    def host(self, number: int) -> str:
        """The host of a URL."""
        return f"h{number % self.hosts:04}.example"

    @property
    def names(self) -> list[str]:
        """All hosts."""
        return [self.host(number) for number in range(min(self.hosts, self.urls))]

    def path(self, number: int) -> str:
        """The path of a URL; on a host that disallows a prefix, one in four lies under it."""
        hidden = self.robots(self.host(number)).disallow == (PRIVATE,)
        under = PRIVATE if hidden and (number // self.hosts) % 4 == 1 else "/"
        return f"{under}{number:06}.jpg"

    def listed(self, port: int) -> Iterator[str]:
        """Every URL."""
        for number in range(self.urls):
            yield f"http://{self.host(number)}:{port}{self.path(number)}"

    def fetchable(self, number: int) -> bool:
        """Whether robots.txt lets a URL be fetched and the host answers it with an image in the end."""
        disallowed = any(
            self.path(number).startswith(prefix)
            for prefix in self.robots(self.host(number)).disallow
        )
        return not disallowed and self.fate(number) is not Fate.FAILING

    def fate(self, number: int) -> Fate:
        """What becomes of a URL's first request."""
        roll = self._random("fate", number).random()
        for fate, share in (
            (Fate.SLOW, self.slow_share),
            (Fate.LIMITED, self.limited_share),
            (Fate.FAILING, self.failing_share),
        ):
            if roll < share:
                return fate
            roll -= share
        return Fate.FAST

    def latency_s(self, number: int) -> float:
        """How long a slow URL takes: exponential, a quarter of the longest on average."""
        drawn = self._random("latency", number).expovariate(4 / self.slow_max_s)
        return min(self.slow_max_s, drawn)

    def failure(self, number: int) -> int:
        """The status of a failing URL."""
        return self._random("failure", number).choice((500, 502, 503))

    def retry_after(self, number: int) -> tuple[str, int]:
        """How a limited URL says when to come back, `seconds`, `date` or nothing, and the seconds."""
        rng = self._random("retry", number)
        return rng.choice(("seconds", "date", "")), rng.randint(1, self.retry_after_max_s)

    def robots(self, host: str) -> Robots:
        """The robots.txt of a host: of ten, five have none, two allow all, two disallow a prefix, one has a delay."""
        if host == self.host(_BROKEN_HOST):
            return Robots(503, ("/",))
        rng = self._random("robots", host)
        kind = rng.randrange(10)
        delay_s = round(self.crawl_delay_max_s * rng.uniform(0.5, 1.0), 2)
        match kind:
            case 0 | 1 | 2 | 3 | 4:
                return Robots(404)
            case 5 | 6:
                return Robots(200)
            case 7 | 8:
                return Robots(200, (PRIVATE,))
            case _:
                return Robots(200, (), delay_s)

    def _random(self, word: str, of: object) -> random.Random:
        return random.Random(f"{self.seed} {word} {of}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent, after how long, and what the log says of it besides times."""

    status: int
    body: bytes
    headers: tuple[str, ...]
    facts: dict[str, Any]
    delay_s: float = 0.0

    @property
    def encoded(self) -> bytes:
        """The whole answer."""
        lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body)}", *self.headers]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Web:
    """Answers requests by the plan; the only state is which limited URLs were asked before."""

    def __init__(self, plan: SitePlan) -> None:
        self._plan = plan
        self._asked: set[int] = set()
        rng = random.Random(plan.seed)
        self._pictures = [_picture(rng) for _ in range(_PICTURES)]

    def answer(self, host: str, path: str) -> Answer:
        """The answer to one GET."""
        if path == "/robots.txt":
            return self._robots(host)
        match = _PATH.fullmatch(path)
        number = int(match[2]) if match else -1
        if not match or number >= self._plan.urls or self._plan.host(number) != host:
            return Answer(404, b"", (), {})
        fate = self._plan.fate(number)
        if fate is Fate.FAILING:
            return Answer(self._plan.failure(number), b"", (), {})
        if fate is Fate.LIMITED and number not in self._asked:
            self._asked.add(number)
            return self._limited(number)
        delay_s = self._plan.latency_s(number) if fate is Fate.SLOW else 0.0
        return Answer(200, self._image(number), ("Content-Type: image/jpeg",), {}, delay_s)

    def _robots(self, host: str) -> Answer:
        robots = self._plan.robots(host)
        facts = {"disallow": robots.disallow, "crawl_delay_s": robots.crawl_delay_s}
        return Answer(robots.status, robots.text.encode(), ("Content-Type: text/plain",), facts)

    def _limited(self, number: int) -> Answer:
        form, seconds = self._plan.retry_after(number)
        if not form:
            return Answer(429, b"", (), {})
        if form == "seconds":
            return Answer(429, b"", (f"Retry-After: {seconds}",), {"retry_after_s": seconds})
        now = time.time()
        when = math.ceil(now + seconds)
        header = f"Retry-After: {formatdate(when, usegmt=True)}"
        return Answer(429, b"", (header,), {"retry_after_s": when - now})

    def _image(self, number: int) -> bytes:
        """One of a few pictures, with a comment of its own: no two URLs have the same bytes."""
        picture = self._pictures[number % _PICTURES]
        return picture[:2] + b"\xff\xfe\x00\x0e" + f"URL {number:08}".encode() + picture[2:]


class _Connection(asyncio.Protocol):
    """One connection: a request at a time, stamped when its head is complete and when its answer is written."""

    def __init__(self, web: Web, log: IO[str]) -> None:
        self._web, self._log = web, log
        self._buffer = b""
        self._pending: asyncio.TimerHandle | None = None
        self._asked: dict[str, Any] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if b"\r\n\r\n" not in self._buffer:
            return
        start_s = time.monotonic()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        request, _, fields = head.decode("latin-1").partition("\r\n")
        path = request.split(" ")[1]
        named = re.search(r"^host:\s*([^\s:]+)", fields, re.IGNORECASE | re.MULTILINE)
        host = named[1].lower() if named else ""
        self._asked = {"host": host, "path": path, "start_s": start_s}
        answer = self._web.answer(host, path)
        if answer.delay_s:
            loop = asyncio.get_running_loop()
            self._pending = loop.call_later(answer.delay_s, self._send, answer)
        else:
            self._send(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._write({"status": 0})

    def _send(self, answer: Answer) -> None:
        self._pending = None
        self._transport.write(answer.encoded)
        self._write({"status": answer.status} | answer.facts)

    def _write(self, facts: dict[str, Any]) -> None:
        line = self._asked | {"end_s": time.monotonic()} | facts
        self._log.write(json.dumps(line) + "\n")


class FaithfulSite:
    """The site's process, as a context manager; its log is complete once it has ended."""

    def __init__(self, plan: SitePlan, log: Path) -> None:
        self.plan = plan
        self.log = log

    def __enter__(self) -> Self:
        with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listening:
            self.port = listening.getsockname()[1]
            number = listening.fileno()
            module = "tests.hostile.faithful_site"
            plan = json.dumps(asdict(self.plan))
            with self.log.with_suffix(".out").open("wb") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", module, str(number), str(self.log), plan],
                    cwd=ROOT,
                    pass_fds=[number],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process and completes the log; once is enough, twice does no harm."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self._process.wait(timeout=30)
        assert code == 0, self.log.with_suffix(".out").read_text()


def _picture(rng: random.Random) -> bytes:
    coarse = PillowImage.frombytes("RGB", (16, 12), rng.randbytes(16 * 12 * 3))
    encoded = io.BytesIO()
    coarse.resize((160, 120), PillowImage.Resampling.BICUBIC).save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


async def _serve(listening: socket.socket, log: IO[str], plan: SitePlan) -> None:
    web = Web(plan)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(web, log), sock=listening, backlog=1_024)
    async with server:
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    with Path(sys.argv[2]).open("w") as written:
        taken = socket.socket(fileno=int(sys.argv[1]))
        asyncio.run(_serve(taken, written, SitePlan(**json.loads(sys.argv[3]))))
