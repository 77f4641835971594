"""Serves the site of `site_plan`: `python -m tests.faults.site_server` writes its port, and ends with its input."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.faults.site_plan import CLOSED_HOST, content

ROOT = Path(__file__).parents[2]
_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
_COUNT = "/count"


class Site:
    """The process: a context manager.

    Attributes:
        port: Where it is, on loopback.
    """

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.site_server"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def count(self):
        """How many requests it has had."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{_COUNT}", timeout=10) as answer:
            return int(answer.read())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one segment.
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def do_GET(self):
        host = self.headers.get("Host", "").partition(":")[0]
        if self.path == _COUNT:
            self._answer(200, str(self.server.count).encode(), "text/plain")
            return
        self.server.count += 1
        if self.path == "/robots.txt":
            rules = b"User-agent: *\nDisallow: /\n" if host == CLOSED_HOST else b""
            self._answer(200 if rules else 404, rules, "text/plain")
            return
        found = content(self.path)
        media_type = _TYPES.get(self.path.rpartition(".")[2], "text/plain")
        self._answer(404 if found is None else 200, found or b"", media_type)

    def _answer(self, status, body, media_type):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    count = 0

    def handle_error(self, *_):
        """Clients that die in the middle are what this is for."""


def main():
    """Serves until the standard input ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
