"""Connections whose bytes are not ours: to a host, or to it through the egress proxy."""

from __future__ import annotations

import asyncio

from services.crawler.fetch.egress_proxy import EgressProxy
from services.crawler.fetch.failure import failure_of_proxy
from services.crawler.fetch.guarded_connector import GuardedConnector, Streams
from services.crawler.fetch.url import WebUrl

_ANSWER = b"\r\n\r\n"
_OK = 200


async def open_tunnel(
    connector: GuardedConnector, url: WebUrl, proxy: EgressProxy | None
) -> Streams:
    """Connects to the host and port of a URL, past the guard in either case.

    Raises:
        FetchFailed: The egress proxy refuses.
        OSError, ForbiddenAddress, ForbiddenPort: As `GuardedConnector.dial`.
    """
    if proxy is None:
        return await connector.dial(url.host, url.port)
    if not url.address:
        await connector.check_name(url.host, url.port)
    reader, writer = await connector.dial(proxy.host, proxy.port)
    try:
        await _ask_proxy(reader, writer, url, proxy)
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _ask_proxy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: WebUrl, proxy: EgressProxy
) -> None:
    """Asks for the way to a host (RFC 9110, 9.3.6)."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    told = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    target = f"{host}:{url.port}"
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{told}\r\n".encode())
    try:
        head = await reader.readuntil(_ANSWER)
        status = int(head.split(b" ", 2)[1])
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError) as error:
        message = "the egress proxy does not answer in valid HTTP"
        raise ConnectionError(message) from error
    if status != _OK:
        raise failure_of_proxy(status, url)
