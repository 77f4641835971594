"""What stands between a client and a real S3 server, and fails where it is told to."""

from __future__ import annotations

import html
import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias

_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}
_NO_E_TAG = '"00000000000000000000000000000000"'
_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>No.</Message>'
    "<StringToSign>{said}</StringToSign><RequestId>1</RequestId></Error>"
)

# Status, headers, body.
Answer: TypeAlias = tuple[int, dict[str, str], bytes]


class Fault(Enum):
    """What becomes of a request: (status, code) of an answer in place of the server's, whether the server is asked."""

    SLOW_DOWN = (503, "SlowDown", False)
    OTHER_REGION = (301, "PermanentRedirect", False)
    OTHER_REGION_SIGNED = (400, "AuthorizationHeaderMalformed", False)
    TELLS_KEYS = (403, "InvalidAccessKeyId", False)
    # As a service answers that does not know conditions.
    DONE = (200, "", False)
    CUT = (0, "", False)
    BROKEN_AFTER = (500, "InternalError", True)
    # Held back for as long as a silent answer.
    SILENT_AFTER = (-1, "", True)
    CUT_AFTER = (0, "", True)
    WRONG_E_TAG = (200, "", True)
    # The last byte is another when it arrives; the answer is the server's own.
    SPOILED = (1, "", True)

    @property
    def is_asked(self) -> bool:
        """Whether the request is carried out."""
        return bool(self.value[2])

    @property
    def is_silent(self) -> bool:
        """Whether the connection is closed without an answer."""
        return int(self.value[0]) <= 0


@dataclass(frozen=True)
class Asked:
    """A request that came, and how it was answered."""

    method: str
    path: str
    headers: dict[str, str]
    status: int
    fault: Fault | None


@dataclass
class _Plan:
    matches: Callable[[str, str], bool]
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_method(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.proxy.answer(self, body)
        if answer is None:
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        # The size of what HEAD asks about is all that it has.
        size = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", size or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_one_method  # noqa: N815 - http.server's names

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: S3Faults) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)


class S3Faults:
    """A context manager: a proxy on a port of its own.

    The client signs for the proxy's host, which is passed on as it is, so its signature is right behind it as well.

    Attributes:
        asked: Every request, in the order of their ends.
    """

    def __init__(self, server_port: int, *, silence_s: float = 5.0) -> None:
        """Takes the server's port, and for how long a silent answer is held back, seconds."""
        self._server_port = server_port
        self._silence_s = silence_s
        self._plans: list[_Plan] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.asked: list[Asked] = []
        self._http = _Server(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}
        )

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def plan(self, method: str, ending: str, *faults: Fault, part: str = "") -> None:
        """The next requests of a method to paths with such an ending and part fail so, one after the other."""
        with self._lock:
            self._plans.append(_Plan(_matching(method, ending, part), list(faults)))

    def always(self, method: str, ending: str, fault: Fault, *, part: str = "") -> None:
        """All such requests fail so, until `heal`."""
        with self._lock:
            self._plans.append(_Plan(_matching(method, ending, part), always=fault))

    def heal(self) -> None:
        """Nothing fails any more."""
        with self._lock:
            self._plans.clear()

    def count(self, method: str, ending: str) -> int:
        """How many requests of a method came for such paths."""
        return sum(one.method == method and one.path.endswith(ending) for one in list(self.asked))

    def _next(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for plan in self._plans:
                if plan.matches(method, path) and (plan.always or plan.faults):
                    return plan.always or plan.faults.pop(0)
        return None

    def answer(self, request: _Handler, body: bytes) -> Answer | None:
        """What a request is answered; None closes its connection."""
        path = request.path.partition("?")[0]
        fault = self._next(request.command, path)
        found: Answer = (0, {}, b"")
        if fault is None or fault.is_asked:
            is_spoiled = fault is Fault.SPOILED and body
            found = self._forward(request, body[:-1] + b"!" if is_spoiled else body)
        self.asked.append(Asked(request.command, path, dict(request.headers), found[0], fault))
        if fault is Fault.SILENT_AFTER:
            self._closing.wait(self._silence_s)
        if fault in (None, Fault.SPOILED):
            return found
        return None if fault.is_silent else _instead(fault, found, dict(request.headers))

    def _forward(self, request: _Handler, body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._server_port, timeout=30)
        try:
            connection.putrequest(
                request.command, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


def _matching(method: str, ending: str, part: str) -> Callable[[str, str], bool]:
    return lambda asked, path: asked == method and path.endswith(ending) and part in path


def _instead(fault: Fault, found: Answer, asked: dict[str, str]) -> Answer:
    """The answer in place of the server's. Like S3, one that refuses keys repeats what was sent."""
    status, code, _ = fault.value
    if status == 200:
        others = {name: value for name, value in found[1].items() if name.lower() != "etag"}
        return status, {**others, "ETag": _NO_E_TAG}, found[2]
    said = html.escape(asked.get("Authorization", ""))
    return status, {"Content-Type": "application/xml"}, _ERROR.format(code=code, said=said).encode()
