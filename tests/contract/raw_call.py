"""A gRPC call that is written frame by frame, as no client of gRPC's would."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived, StreamEnded, StreamReset, TrailersReceived

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

    async def status(self) -> grpc.StatusCode | None:
        """How the call ended; None if the server has closed the stream or the connection without a status."""
        found = None
        while content := await self._reader.read(65_536):
            for event in self._connection.receive_data(content):
                if isinstance(event, ResponseReceived | TrailersReceived):
                    found = _CODES.get(dict(event.headers).get("grpc-status", ""), found)
                if isinstance(event, StreamEnded | StreamReset):
                    return found
            self._flush()
        return None

    async def deaf(self) -> None:
        """Reads and answers nothing, pings neither; returns when the server has closed the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass

    def _flush(self) -> None:
        self._writer.write(self._connection.data_to_send())


@asynccontextmanager
async def raw_call(address: str, path: str, **headers: str) -> AsyncIterator[RawCall]:
    """Connects and sends the headers (`_` in a name stands for `-`); closes the connection."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        call = RawCall(reader, writer)
        call.begin(path, {name.replace("_", "-"): value for name, value in headers.items()})
        yield call
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
