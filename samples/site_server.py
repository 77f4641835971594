"""Serves the sample site over real HTTP on loopback, and remembers what was asked of it."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote


class SiteServer:
    """A running server.

    Attributes:
        url: Its address, ending in a slash.
        port: The one it listens on.
        requests: The path of every request answered so far, in order, percent-decoded.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.port = port
        self.requests: list[str] = []

    def counts(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(self.requests)


@contextmanager
def serve(folder: Path, port: int = 0) -> Iterator[SiteServer]:
    """Serves `folder` on 127.0.0.1 while the block runs.

    Args:
        folder: What to serve; `index.html` is its front page.
        port: 0 takes a free one.

    Raises:
        OSError: The port is in use.
    """
    with _Server(("127.0.0.1", port), folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.site
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that keeps its connection open must not keep the server from closing.
    block_on_close = False

    def __init__(self, address: tuple[str, int], folder: Path) -> None:
        super().__init__(address, partial(_Handler, directory=str(folder)))
        self.site = SiteServer(self.server_port)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def log_request(self, code: object = "-", size: object = "-") -> None:  # noqa: ARG002 - http.server's
        self.server.site.requests.append(unquote(self.path))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass
