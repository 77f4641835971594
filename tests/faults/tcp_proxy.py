"""Stands between two processes and does to their bytes what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import Enum, auto

# What is sent byte by byte of each piece; the rest of it follows at once.
_SINGLE_BYTES = 400
_PIECE = 65_536
_RESETS = struct.pack("ii", 1, 0)


class Fault(Enum):
    """What becomes of what passes."""

    SLOW = auto()
    BYTEWISE = auto()
    # In the middle of a piece, as if the peer had ended.
    CUT = auto()
    # In the middle of a piece, by RST.
    RESET = auto()
    # Nothing arrives any more, and nobody is told, on connections that were open and on new ones; those that it befell
    # stay so when all is well again.
    SILENT = auto()


class TcpProxy:
    """An async context manager; belongs to one event loop.

    Attributes:
        port: Where it listens, on loopback.
        fault: What happens now; None passes everything on.
        hits: How often it happened.
    """

    def __init__(self, port, *, latency_s=0.5):
        """Takes the port of the server behind it, and how late everything is that is slow, seconds."""
        self._server = ("127.0.0.1", port)
        self._latency_s = latency_s
        self.fault = None
        self.hits = 0
        self._hit = asyncio.Event()
        self._tasks = set()

    async def __aenter__(self):
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self):
        """`host:port`, as the models of a rig have it."""
        return f"127.0.0.1:{self.port}"

    async def suffer(self, fault, *, times=1, timeout_s=30.0):
        """Lets a fault happen so often, and no more."""
        self.hits = 0
        self.fault = fault
        async with asyncio.timeout(timeout_s):
            while self.hits < times:
                self._hit.clear()
                await self._hit.wait()
        self.fault = None

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await self._pass_between(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass_between(self, reader, writer):
        server_reader, server_writer = await asyncio.open_connection(*self._server)
        ends = (writer, server_writer)
        pumps = [
            asyncio.create_task(self._pump(reader, server_writer, ends)),
            asyncio.create_task(self._pump(server_reader, writer, ends)),
        ]
        try:
            for one in ends:
                one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # The first end of the two is passed on; HTTP and gRPC close both ways together.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server_writer.close()

    async def _pump(self, reader, writer, ends):
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self.fault is None:
                    writer.write(piece)
                elif not await self._harm(piece, reader, writer, ends):
                    return
                await writer.drain()

    async def _harm(self, piece, reader, writer, ends):
        """Passes a piece on as the fault wants it; False if the connection is over."""
        fault = self.fault
        self.hits += 1
        self._hit.set()
        match fault:
            case Fault.SLOW:
                await asyncio.sleep(self._latency_s)
                writer.write(piece)
            case Fault.BYTEWISE:
                for place in range(min(len(piece), _SINGLE_BYTES)):
                    writer.write(piece[place : place + 1])
                    await writer.drain()
                writer.write(piece[_SINGLE_BYTES:])
            case Fault.CUT:
                writer.write(piece[: len(piece) // 2])
                return False
            case Fault.RESET:
                writer.write(piece[: len(piece) // 2])
                for one in ends:
                    one.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, _RESETS
                    )
                    one.transport.abort()
                return False
            case Fault.SILENT:
                # Whoever sent it learns nothing, for as long as he does not hang up.
                while await reader.read(_PIECE):
                    pass
                return False
        return True
