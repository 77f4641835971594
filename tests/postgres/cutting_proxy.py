"""A proxy before a PostgreSQL server that breaks connections around their COMMIT."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from enum import Enum

# As a simple query, and as the statement of an extended one.
_COMMIT = b"COMMIT\0"


class Cut(Enum):
    """When a connection breaks."""

    BEFORE = "the server never sees the COMMIT"
    AFTER = "the server has committed, and its answer is lost"
    LATE = "the server sees the COMMIT when the client has long been told that the connection is broken"


class CuttingProxy:
    """Passes bytes on; `cuts` has what happens to the next commits, one each (None: nothing).

    Attributes:
        port: Where it listens, on loopback.
        commits: How many it has seen.
    """

    def __init__(self, port):
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = []
        self.commits = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets = [self._listener]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self._sockets:
            _close(one)
        for thread in self._threads:
            thread.join()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server)
                except OSError:
                    _close(client)
                    continue
                self._sockets += client, server
                silenced = threading.Event()
                for target, arguments in (
                    (self._to_server, (client, server, silenced)),
                    (self._to_client, (server, client, silenced)),
                ):
                    thread = threading.Thread(target=target, args=arguments)
                    thread.start()
                    self._threads.append(thread)

    def _to_server(self, client, server, silenced):
        with contextlib.suppress(OSError):
            while chunk := client.recv(65_536):
                cut = self._next_cut() if _COMMIT in chunk else None
                if cut is Cut.AFTER:
                    silenced.set()
                elif cut is not None:
                    _close(client)
                if cut is Cut.BEFORE:
                    break
                if cut is Cut.LATE:
                    time.sleep(0.3)
                server.sendall(chunk)
                if cut is Cut.LATE:
                    break
        _close(server)

    def _to_client(self, server, client, silenced):
        with contextlib.suppress(OSError):
            while chunk := server.recv(65_536):
                if silenced.is_set():
                    # The answer to COMMIT.
                    break
                client.sendall(chunk)
        _close(client)
        _close(server)

    def _next_cut(self):
        self.commits += 1
        return self.cuts.pop(0) if self.cuts else None


def _close(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
