"""A web of many slow hosts, as a process of its own: `python -m benchmarks.crawling.slow_hosts HOSTS PICTURES LATENCY`.

Host N is 127.0.1.N; all have one port. Each answers after so many seconds: `/N.jpg` with picture N, anything else,
robots.txt included, with 404. It prints its port once it serves; when its standard input ends it says how it was asked,
as JSON.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np
from PIL import Image as PillowImage

_SEED = 2026
_COARSE_PX, _SIZE_PX = (9, 12, 3), (96, 72)
# Within so many seconds the requests to one host are counted.
_WINDOW_S = 2.0


class SlowHosts:
    """Answers like all of the hosts, and remembers when each was asked."""

    def __init__(self, pictures: Mapping[str, bytes], latency_s: float) -> None:
        """Takes the pictures by path."""
        self._pictures, self._latency_s = pictures, latency_s
        self._asked: defaultdict[str, list[float]] = defaultdict(list)
        self._active: defaultdict[str, int] = defaultdict(int)
        self._most_at_once = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection, which stays open if the client lets it."""
        host = writer.get_extra_info("sockname")[0]
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self._begin(host)
                await asyncio.sleep(self._latency_s)
                self._active[host] -= 1
                writer.write(_answer(self._pictures.get(head.split(" ", 2)[1])))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # Cancelled at the end of the process, where nobody waits for it.
            pass
        finally:
            writer.close()

    def report(self) -> dict[str, int]:
        """How many requests there were, to one host at a time at most, and to one within two seconds at most."""
        return {
            "requests": sum(map(len, self._asked.values())),
            "most_at_once": self._most_at_once,
            "most_in_2_s": max(map(_most_within, self._asked.values()), default=0),
        }

    def _begin(self, host: str) -> None:
        self._asked[host].append(time.monotonic())
        self._active[host] += 1
        self._most_at_once = max(self._most_at_once, self._active[host])


def _most_within(times: list[float]) -> int:
    starts = np.array(times)
    return int((np.searchsorted(starts, starts + _WINDOW_S) - np.arange(len(starts))).max())


def _answer(picture: bytes | None) -> bytes:
    if picture is None:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    return head.encode() + picture


def _draw(number: int) -> bytes:
    """A small picture that is like no other: what a crawl of them takes is waiting, not decoding."""
    coarse = np.random.default_rng((_SEED, number)).integers(0, 256, _COARSE_PX, np.uint8)
    encoded = io.BytesIO()
    PillowImage.fromarray(coarse).resize(_SIZE_PX, PillowImage.Resampling.BICUBIC).save(
        encoded, "JPEG"
    )
    return encoded.getvalue()


async def _run(hosts: int, count: int, latency_s: float) -> None:
    pictures = {str(PurePosixPath("/") / f"{number}.jpg"): _draw(number) for number in range(count)}
    site = SlowHosts(pictures, latency_s)
    first = await asyncio.start_server(site.serve, "127.0.1.1", 0)
    port = first.sockets[0].getsockname()[1]
    others = [f"127.0.1.{number}" for number in range(2, hosts + 1)]
    if others:
        await asyncio.start_server(site.serve, others, port)
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(site.report()), flush=True)


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
