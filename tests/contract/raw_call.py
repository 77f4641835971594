"""A gRPC call that is written frame by frame, as no client of gRPC's would."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes

_STREAM = 1
_FRAME_BYTES = 16_000
_CODES = {str(code.value[0]): code for code in grpc.StatusCode}


def framed(message: bytes, *, flag: int = 0) -> bytes:
    """A message with gRPC's five bytes before it; the flag says whether it is compressed."""
    return struct.pack(">BI", flag, len(message)) + message


class RawCall:
    """One call on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._connection.initiate_connection()
        self._status: grpc.StatusCode | None = None
        self._met = self._ended = False

    async def meet(self) -> None:
        """Waits for the server's settings and acknowledges them: by then its limits hold."""
        while not self._met:
            await self._receive()

    def begin(self, path: str, headers: dict[str, str]) -> None:
        """Sends the headers; those given stand in the place of the usual ones."""
        usual = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "raw"}
        usual |= {"te": "trailers", "content-type": "application/grpc"}
        self._connection.send_headers(_STREAM, list({**usual, **headers}.items()))
        self._flush()

    def send(self, content: bytes, *, ends: bool = False) -> None:
        """Sends bytes as they are, 64 KB at most, and says whether they are the last."""
        for start in range(0, len(content), _FRAME_BYTES):
            self._connection.send_data(_STREAM, content[start : start + _FRAME_BYTES])
        if ends:
            self._connection.end_stream(_STREAM)
        self._flush()

    async def send_much(self, content: bytes) -> None:
        """Sends bytes as they are, as many as the server takes, and says that they are all."""
        left = memoryview(content)
        while left and not self._ended:
            count = min(self._connection.local_flow_control_window(_STREAM), _FRAME_BYTES)
            if count:
                self._connection.send_data(_STREAM, bytes(left[:count]))
                left = left[count:]
                self._flush()
                await self._writer.drain()
            else:
                await self._receive()
        if not self._ended:
            self._connection.end_stream(_STREAM)
            self._flush()

    def read_nothing(self) -> None:
        """Leaves no room for answers; before the headers."""
        self._connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self._flush()

    def ping(self, count: int) -> None:
        """Asks so many times, at once, whether somebody is there."""
        for _ in range(count):
            self._connection.ping(bytes(8))
        self._flush()

    async def status(self) -> grpc.StatusCode | None:
        """How the call ended; None if the server has closed the stream or the connection without a status."""
        while not self._ended:
            await self._receive()
        return self._status

    async def last_words(self) -> bytes:
        """All that the server still sends until it closes the connection."""
        words = bytearray()
        with suppress(ConnectionError):
            while content := await self._reader.read(65_536):
                words += content
        return bytes(words)

    async def _receive(self) -> None:
        content = await self._reader.read(65_536)
        if not content:
            self._met = self._ended = True
        for event in self._connection.receive_data(content):
            if isinstance(event, ResponseReceived | TrailersReceived):
                code = dict(event.headers).get("grpc-status", "")
                self._status = _CODES.get(code, self._status)
            if isinstance(event, StreamEnded | StreamReset):
                self._ended = True
            if isinstance(event, RemoteSettingsChanged):
                self._met = True
        self._flush()

    async def deaf(self) -> None:
        """Reads and answers nothing, pings neither; returns when the server has closed the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass

    def _flush(self) -> None:
        self._writer.write(self._connection.data_to_send())


@asynccontextmanager
async def raw_call(
    address: str, path: str, *, reads: bool = True, **headers: str
) -> AsyncIterator[RawCall]:
    """Connects and sends the headers (`_` in a name stands for `-`); closes the connection."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        call = RawCall(reader, writer)
        await call.meet()
        if not reads:
            call.read_nothing()
        call.begin(path, {name.replace("_", "-"): value for name, value in headers.items()})
        yield call
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def reset_calls(address: str, path: str, count: int) -> None:
    """Begins calls and ends each at once, all on one connection: "rapid reset" (CVE-2023-44487)."""
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    attack = H2Connection(H2Configuration(header_encoding="utf-8"))
    attack.initiate_connection()
    headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "raw"}
    headers |= {"te": "trailers", "content-type": "application/grpc"}
    for number in range(count):
        attack.send_headers(2 * number + 1, list(headers.items()))
        attack.reset_stream(2 * number + 1)
        writer.write(attack.data_to_send())
        await writer.drain()
    writer.close()
