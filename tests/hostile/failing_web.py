"""A site that fails in every way; a proxy and interfaces that repeat what they were told in confidence."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.crawler.fetch.raw_server import RawServer, answer, by_path
from tests.fakes import image_files as files
from tests.hostile.certificates import SELF_SIGNED, server_context

_HANGS_S = 60.0
_MOVED = "302 Found"
_NOT_PASSED = re.compile(r"^Proxy-[^\r\n]*\r\n", re.MULTILINE)


def _moved(location: str) -> bytes:
    return answer(status=_MOVED, headers={"Location": location})


def _answers(photo: bytes) -> dict[str, bytes]:
    """By path, which is the name of the failure as well."""
    return {
        "/fine": answer(photo),
        "/missing": answer(status="404 Not Found"),
        "/gone": answer(status="410 Gone"),
        "/refused": answer(status="403 Forbidden"),
        "/unauthorized": answer(status="401 Unauthorized"),
        "/proxy-refused": answer(status="407 Proxy Authentication Required"),
        "/broken": answer(status="500 Broken"),
        "/limited": answer(status="429 Slow down", headers={"Retry-After": "1"}),
        "/no-http": b"SSH-2.0-nonsense\r\n\r\n",
        "/closes": b"",
        "/short": answer(photo, headers={"Content-Length": "999999"}),
        "/encoded": answer(photo, headers={"Content-Encoding": "gzip"}),
        "/opted-out": answer(photo, headers={"X-Robots-Tag": "noai"}),
        "/to-a-file": _moved("file:///etc/passwd"),
        "/to-itself": _moved("/to-itself"),
        "/to-metadata": _moved("http://169.254.169.254/"),
        "/to-a-placeholder": _moved("https://i.imgur.com/removed.png"),
        "/html": answer(files.HTML),
        "/cut": answer(photo[: len(photo) // 2]),
        "/bomb": answer(files.png_bomb(9_000)),
        "/metadata-bomb": answer(files.png_with_chunk_bomb(b"zTXt")),
        "/small": answer(files.encoded(files.photo(20, 20), "PNG")),
        "/wide": answer(files.encoded(files.photo(3_000, 500), "JPEG")),
    }


async def _tell(path: str, writer: asyncio.StreamWriter) -> None:
    """An interface that repeats the address that it was asked at wherever it can."""
    if "/again" in path:
        writer.write(answer(path.encode(), status=f"500 {path}", headers={"X-Asked": path}))
    else:
        query = path.partition("?")[2]
        writer.write(_moved(f"/again?{query}") if query else answer(status="403 Forbidden"))


class FailingWeb:
    """A context manager: the servers, in a thread of their own.

    Attributes:
        told: The `Proxy-Authorization` headers that the proxy was sent.
    """

    def __init__(self, user: str, password: str, *, photo: bytes) -> None:
        """Takes what the proxy wants to be told, and the one image that the site has."""
        self._answers = _answers(photo)
        whole = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._credentials = f"Basic {whole}"
        self.told: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def proxy_port(self) -> int:
        port: int = self._proxy.sockets[0].getsockname()[1]
        return port

    @property
    def site_ports(self) -> list[int]:
        return [self._site.port, self._tls.port]

    @property
    def interfaces_port(self) -> int:
        return self._interfaces.port

    def asked(self) -> list[str]:
        """What the interfaces were sent."""
        return self._interfaces.requests

    def heads(self) -> list[str]:
        """What the site was sent."""
        servers = (self._site, self._tls)
        return [head for one in servers for head in (*one.requests, *one.robots_requests)]

    def urls(self) -> list[str]:
        """One address for each failure; each on a host of its own, so that no failure holds up another."""
        at = [f"{path[1:]}.localhost:{self._site.port}{path}" for path in self._answers]
        plain = [f"http://{one}" for one in [*at, f"echoes.localhost:{self._site.port}/echoes"]]
        tls = [f"https://{name}.localhost:{self._tls.port}/x" for name in ("tls", "echoes-tls")]
        refused = ["http://user:password@example.org/", "http://10.0.0.1/", "ftp://example.org/x"]
        return [*plain, *tls, *refused, "http://169.254.169.254/x"]

    def _call(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        self._site = await RawServer(by_path(self._answers)).__aenter__()
        tls = server_context(SELF_SIGNED, "tls.localhost")
        self._tls = await RawServer(by_path(self._answers), tls=tls).__aenter__()
        self._interfaces = await RawServer(_tell).__aenter__()
        self._proxy = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._proxy.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._site.__aexit__(None, None, None)
        await self._tls.__aexit__(None, None, None)
        await self._interfaces.__aexit__(None, None, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.timeout(_HANGS_S):
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *headers = head.rstrip().split("\r\n")
        told = [one.partition(": ")[2] for one in headers if one.startswith("Proxy-Authorization")]
        self.told += told
        method, target, _ = line.split(" ")
        if told != [self._credentials]:
            writer.write(answer(status="407 Proxy Authentication Required"))
        elif "echoes" in target:
            secret = f"{told[0]} {base64.b64decode(told[0].split()[1]).decode()}"
            told_back = {"Location": f"http://{secret.split()[1]}/", "Retry-After": secret}
            status = f"502 {secret}" if method == "CONNECT" else f"429 {secret}"
            writer.write(answer(head.encode(), status=status, headers=told_back))
        else:
            await self._pass_on(head, reader, writer)
        await writer.drain()

    async def _pass_on(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, target, _ = head.split(" ", 2)
        port = int(urlsplit(target if "//" in target else f"//{target}").port or 0)
        site_reader, site_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Established\r\n\r\n")
                await asyncio.gather(_copy(reader, site_writer), _copy(site_reader, writer))
            else:
                path = target.removeprefix("http://").partition("/")[2]
                passed = _NOT_PASSED.sub("", head.replace(target, f"/{path}", 1))
                site_writer.write(passed.encode("latin-1"))
                await _copy(site_reader, writer)
        finally:
            site_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
