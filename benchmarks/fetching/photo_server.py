"""A local site of a folder's photos, as a process of its own: `python -m benchmarks.fetching.photo_server FOLDER`.

It prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class PhotoServer:
    """Answers GET with the files of one folder, over connections that stay open if the client lets them."""

    def __init__(self, folder: Path) -> None:
        self._photos = {f"/{path.name}": path for path in folder.iterdir()}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self._answer(head.split(" ", 2)[1], writer)
                await writer.drain()
                if "\r\nconnection: close" in head.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        photo = self._photos.get(path)
        if photo is None:
            writer.write(_NOT_FOUND)
            return
        body = photo.read_bytes()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode())
        writer.write(body)


async def _run(folder: Path) -> None:
    server = await asyncio.start_server(PhotoServer(folder).serve, "127.0.0.1", 0, backlog=200)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
