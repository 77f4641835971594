"""What a program asks a proxy for (RFC 9112, 3.2.2 and 3.2.3)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_METHODS = frozenset({"GET", "HEAD", "POST"})
_BODY_MAX_BYTES = 1_000_000
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_END = b"\r\n\r\n"
# Of the connection to the proxy, not of the request; what the request's own client states anew.
_DROPPED = frozenset(
    {
        *("connection", "content-length", "host", "keep-alive", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


class BadProxyRequest(Exception):
    """A request that the proxy does not serve.

    Attributes:
        status: What to answer.
    """

    def __init__(self, status: int, cause: str) -> None:
        super().__init__(cause)
        self.status = status


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """A request to a proxy.

    Attributes:
        method: `GET`, `HEAD`, `POST`, or `CONNECT`.
        url: The whole address; of a tunnel `https://host:port/`.
        authorization: What it says to the proxy of who it is.
        headers: Those for the host; of a name that came twice the last.
        body: At most 1 MB.
    """

    method: str
    url: str
    authorization: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def is_tunnel(self) -> bool:
        """Whether bytes are to go through, and not a request."""
        return self.method == "CONNECT"


async def read_request(reader: asyncio.StreamReader) -> ProxyRequest:
    """Reads a request, up to the reader's limit.

    Raises:
        BadProxyRequest: It is none, or one that is not served.
    """
    try:
        head = (await reader.readuntil(_END)).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise BadProxyRequest(431, "the head is too long") from error
    except asyncio.IncompleteReadError as error:
        raise BadProxyRequest(400, "the head has no end") from error
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    target = rest.rpartition(" ")[0]
    headers = _headers(lines)
    authorization = headers.get("proxy-authorization", "")
    passed = {name: value for name, value in headers.items() if name not in _DROPPED}
    if method == "CONNECT":
        return ProxyRequest(method, f"https://{target}/", authorization, passed)
    if method not in _METHODS:
        raise BadProxyRequest(405, "only GET, HEAD, POST and CONNECT are served")
    if not target.lower().startswith("http://"):
        raise BadProxyRequest(400, "ask for the whole address, https through CONNECT")
    return ProxyRequest(method, target, authorization, passed, await _body(reader, headers))


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or "\n" in value or "\r" in value:
            raise BadProxyRequest(400, "a header cannot be read")
        headers[name.lower()] = value.strip()
    return headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise BadProxyRequest(411, "state the length of the body")
    stated = headers.get("content-length", "0")
    if not stated.isascii() or not stated.isdigit() or int(stated) > _BODY_MAX_BYTES:
        raise BadProxyRequest(413, f"a body has at most {_BODY_MAX_BYTES:,} bytes")
    try:
        return await reader.readexactly(int(stated))
    except asyncio.IncompleteReadError as error:
        raise BadProxyRequest(400, "the body is incomplete") from error
