"""Hostile answers: 36-60."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime

from tests.crawler.fetch.raw_server import Respond, answer, hang
from tests.hostile.web_case import WebCase, image, picture

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n"
_BROKEN = "SERVER_ERROR"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
_HTML = b"<html><title>This image has been removed</title></html>"


def slowly(start: bytes, piece: bytes = b"x", *, every_s: float = 0.02) -> Respond:
    """A start, then a piece at a time for ever."""

    async def respond(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)

    return respond


def then_hang(start: bytes) -> Respond:
    """A start, and then nothing."""

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await hang(path, writer)

    return respond


async def reset(_path: str, writer: asyncio.StreamWriter) -> None:
    """Breaks the connection in the middle of a body."""
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 1_000)
    await writer.drain()
    writer.transport.abort()


def coded(body: bytes, coding: str) -> bytes:
    """An answer with a content encoding."""
    return answer(body, headers={"Content-Encoding": coding})


def _bomb() -> bytes:
    return gzip.compress(bytes(2_000_000))


def _chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", head: bytes = b"") -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + head + b"Transfer-Encoding: chunked\r\n\r\n" + framed + end


def _stated(length: str, body: bytes = b"") -> bytes:
    return HEAD + f"Content-Length: {length}\r\n\r\n".encode() + (body or picture())


_SLOW = (
    WebCase("36", "never answers", "TIMEOUT", site=hang, limits={"first_byte_s": 0.3}),
    WebCase("36b", "closes without an answer", "UNREACHABLE", site=b""),
    WebCase("36c", "nobody listens", "UNREACHABLE", "http://127.0.0.1:{free}/"),
    WebCase(
        "37",
        "never finishes TLS",
        "UNREACHABLE",
        "https://site.example:{port}/x",
        robots=hang,
        site=hang,
        limits={"connect_s": 0.3},
    ),
    WebCase(
        "38",
        "headers a byte at a time",
        "TIMEOUT",
        site=slowly(HEAD + b"X: "),
        limits={"total_s": 0.4},
    ),
    WebCase(
        "38b",
        "header lines without end, slowly",
        "TIMEOUT",
        site=slowly(HEAD, b"X: y\r\n"),
        limits={"total_s": 0.4},
    ),
    WebCase(
        "39",
        "a body a byte at a time",
        "TIMEOUT",
        site=slowly(HEAD + b"\r\n"),
        limits={"rate_window_s": 0.3},
    ),
    WebCase(
        "39b",
        "a body that stalls",
        "TIMEOUT",
        site=then_hang(_stated("100000")),
        limits={"first_byte_s": 0.3},
    ),
    WebCase(
        "39c",
        "a body just above the slowest rate, for ever",
        "TIMEOUT",
        site=slowly(HEAD + b"\r\n", b"x" * 100),
        limits={"total_s": 0.5, "rate_window_s": 0.1},
    ),
    WebCase(
        "40",
        "an endless body",
        "TOO_MANY_BYTES",
        site=slowly(HEAD + b"\r\n", bytes(65_536), every_s=0),
    ),
    WebCase(
        "40b",
        "endless chunks",
        "TOO_MANY_BYTES",
        site=slowly(_chunked(end=b""), b"10000\r\n" + bytes(65_536) + b"\r\n", every_s=0),
    ),
    WebCase(
        "40c",
        "endless chunks of one byte",
        "TIMEOUT",
        site=slowly(_chunked(end=b""), b"1\r\nx\r\n"),
        limits={"rate_window_s": 0.3},
    ),
    WebCase(
        "40d",
        "an endless chunk extension",
        "TIMEOUT",
        site=slowly(_chunked(end=b"5;"), b"x" * 65_536, every_s=0),
        limits={"total_s": 1.0},
    ),
    WebCase(
        "40e",
        "endless trailers",
        _BROKEN,
        site=slowly(_chunked(b"x", end=b"0\r\n"), b"X: y\r\n" * 5_000, every_s=0),
        limits={"total_s": 1.0},
    ),
)

_LENGTHS = (
    WebCase("41", "10 GB are stated", "TOO_MANY_BYTES", site=then_hang(_stated("10000000000"))),
    WebCase("41b", "10^30 bytes are stated", _BROKEN, site=then_hang(_stated("1" + "0" * 30))),
    WebCase("41c", "one byte over the limit is stated", "TOO_MANY_BYTES", site=_stated("1000001")),
    WebCase("42", "less is stated than comes", _BROKEN, site=_stated("5")),
    WebCase("42b", "nothing is stated to come, and comes", _BROKEN, site=_stated("0")),
    WebCase("43", "more is stated than comes", "INCOMPLETE", site=_stated("100000")),
    WebCase("43b", "reset within the body", "INCOMPLETE", site=reset),
    WebCase("43c", "an image cut short by its host", "TRUNCATED", site=answer(picture()[:-50])),
    WebCase("44", "chunks without end", "INCOMPLETE", site=_chunked(picture(), end=b"")),
    WebCase("44b", "chunks with an end", site=_chunked(picture())),
    WebCase("44c", "a chunk whose size is no number", _BROKEN, site=_chunked(end=b"ZZ\r\nx\r\n")),
    WebCase(
        "44d", "a chunk of 2^80 bytes", _BROKEN, site=_chunked(end=b"1" + b"0" * 20 + b"\r\nx")
    ),
    WebCase("44e", "a negative chunk", _BROKEN, site=_chunked(end=b"-5\r\nx\r\n")),
    WebCase(
        "45",
        "a length and chunks",
        _BROKEN,
        site=_chunked(picture(), head=b"Content-Length: 5\r\n"),
    ),
    WebCase("46", "a negative length", _BROKEN, site=_stated("-1")),
    WebCase("46b", "a length with a sign", _BROKEN, site=_stated("+5")),
    WebCase("46c", "two lengths in one header", _BROKEN, site=_stated("5, 6")),
    WebCase("46d", "two lengths", _BROKEN, site=_stated("5\r\nContent-Length: 6")),
    WebCase("46e", "a length that is no number", _BROKEN, site=_stated("many")),
)

_CODINGS = (
    WebCase("47", "gzip bomb", "CONTENT_ENCODING", site=coded(_bomb(), "gzip")),
    WebCase("47b", "gzip bomb called deflate", "CONTENT_ENCODING", site=coded(_bomb(), "deflate")),
    WebCase(
        "48", "nested gzip", "CONTENT_ENCODING", site=coded(gzip.compress(_bomb()), "gzip, gzip")
    ),
    WebCase("48b", "Brotli", "CONTENT_ENCODING", site=coded(b"\x0b\x02\x80", "br")),
    WebCase("48c", "Zstandard", "CONTENT_ENCODING", site=coded(b"\x28\xb5\x2f\xfd", "zstd")),
    WebCase("48d", "deflate", "CONTENT_ENCODING", site=coded(zlib.compress(b"x"), "deflate")),
    WebCase("48e", "an unknown encoding", "CONTENT_ENCODING", site=coded(b"x", "x" * 500)),
    WebCase(
        "48f",
        "identity, then gzip",
        "CONTENT_ENCODING",
        site=coded(_bomb(), "identity\r\nContent-Encoding: gzip"),
    ),
    WebCase("48g", "identity", site=coded(picture(), "identity")),
    WebCase("48h", "a gzip file that is not declared", "UNSUPPORTED_FORMAT", site=answer(_bomb())),
    WebCase(
        "48i",
        "a transfer encoding of gzip",
        "UNSUPPORTED_FORMAT",
        site=HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + b"5\r\nabcde\r\n0\r\n\r\n",
    ),
    WebCase(
        "49",
        "many empty gzip members",
        "CONTENT_ENCODING",
        site=coded(gzip.compress(b"") * 20_000, "gzip"),
    ),
)

_TYPES = (
    WebCase("50", "an image called text/html", site=image(Content_Type="text/html")),
    WebCase(
        "50b",
        "HTML called image/png",
        "UNSUPPORTED_FORMAT",
        site=answer(_HTML, headers={"Content-Type": "image/png"}),
    ),
    WebCase("50c", "an image without a type", site=answer(picture())),
    WebCase(
        "50d",
        "an SVG",
        "UNSUPPORTED_FORMAT",
        site=answer(_SVG, headers={"Content-Type": "image/svg+xml"}),
    ),
    WebCase(
        "50e",
        "an SVG called image/png",
        "UNSUPPORTED_FORMAT",
        site=answer(_SVG, headers={"Content-Type": "image/png"}),
    ),
    WebCase("50f", "a type of garbage", site=image(Content_Type="\xff;;=;charset=\xe9")),
    WebCase(
        "51",
        "a page that says that the image is gone, with 200",
        "UNSUPPORTED_FORMAT",
        site=answer(_HTML),
    ),
    WebCase("51b", "an empty body", "UNSUPPORTED_FORMAT", site=answer()),
    WebCase("52", "204", _BROKEN, site=answer(status="204 No Content")),
    WebCase("52b", "205", _BROKEN, site=answer(status="205 Reset Content")),
    WebCase(
        "53",
        "206, unasked",
        "INCOMPLETE",
        site=image("206 Partial Content", Content_Range="bytes 0-9/99"),
    ),
    WebCase("54", "304, unasked", "REFUSED", site=answer(status="304 Not Modified")),
    WebCase("54b", "511", "UNREACHABLE", site=answer(status="511 Network Authentication Required")),
    WebCase("55", "100 interim answers", site=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100 + image()),
    WebCase(
        "55b",
        "interim answers without end",
        "TIMEOUT",
        site=slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        limits={"total_s": 0.4},
    ),
    WebCase(
        "55c",
        "switches to another protocol",
        _BROKEN,
        site=answer(
            status="101 Switching Protocols", headers={"Upgrade": "x", "Connection": "upgrade"}
        ),
    ),
)

_HEADERS = (
    WebCase("56", "a header of 1 MB", _BROKEN, site=HEAD + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n"),
    WebCase("56b", "10,000 headers", _BROKEN, site=HEAD + b"X: x\r\n" * 10_000 + b"\r\n"),
    WebCase(
        "56c",
        "a status line of 1 MB",
        _BROKEN,
        site=b"HTTP/1.1 200 " + b"x" * 1_000_000 + b"\r\n\r\n",
    ),
    WebCase("56d", "SSH", _BROKEN, site=b"SSH-2.0-OpenSSH_9\r\n\r\n"),
    WebCase("56e", "HTTP/0.9", _BROKEN, site=picture()),
    WebCase("56f", "HTTP/2", _BROKEN, site=b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
    WebCase("56g", "NUL in a header", _BROKEN, site=HEAD + b"X: a\x00b\r\n\r\n" + picture()),
    WebCase(
        "56h", "a header without a colon", _BROKEN, site=HEAD + b"what is this\r\n\r\n" + picture()
    ),
    WebCase("56i", "a header name with a blank", _BROKEN, site=HEAD + b"X : y\r\n\r\n" + picture()),
    WebCase("56j", "bytes that are no text in a header", site=image(X="\xff\xfe\xe9")),
    WebCase(
        "56k", "bare line feeds in a header", _BROKEN, site=HEAD + b"X: y\rZ: 1\r\n\r\n" + picture()
    ),
    WebCase("56l", "a status that is no number", _BROKEN, site=b"HTTP/1.1 OK\r\n\r\n"),
    WebCase("56m", "status 0", _BROKEN, site=b"HTTP/1.1 000 None\r\n\r\n"),
    WebCase("56n", "HTTP/3.7", _BROKEN, site=b"HTTP/3.7 200 OK\r\n\r\n"),
)


def _asks_for(value: str) -> bytes:
    return answer(status="429 Too Many Requests", headers={"Retry-After": value})


_SOON = (0.0, 0.06)
_PAST = format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)
_FAR = format_datetime(datetime(2999, 1, 1, tzinfo=UTC), usegmt=True)

_STATUSES = (
    WebCase("57", "429, seconds", "RATE_LIMITED", site=_asks_for("120"), rests_s=(115, 120)),
    WebCase(
        "57b", "429, a date far ahead", "RATE_LIMITED", site=_asks_for(_FAR), rests_s=(3590, 3600)
    ),
    WebCase("57c", "429, a date gone by", "RATE_LIMITED", site=_asks_for(_PAST), rests_s=_SOON),
    WebCase(
        "57d",
        "429, 10^12 seconds",
        "RATE_LIMITED",
        site=_asks_for("1" + "0" * 12),
        rests_s=(3590, 3600),
    ),
    WebCase("57e", "429, garbage", "RATE_LIMITED", site=_asks_for("soon \xff"), rests_s=_SOON),
    WebCase("57f", "429, negative", "RATE_LIMITED", site=_asks_for("-5"), rests_s=_SOON),
    WebCase(
        "57g",
        "429, 5,000 digits",
        "RATE_LIMITED",
        site=_asks_for("9" * 5_000),
        rests_s=(3590, 3600),
    ),
    WebCase(
        "57h",
        "429, says nothing",
        "RATE_LIMITED",
        site=answer(status="429 Slow Down"),
        rests_s=_SOON,
    ),
    WebCase(
        "57i",
        "429, other digits",
        "RATE_LIMITED",
        site=_asks_for("١٢٠".encode().decode("latin-1")),
        rests_s=_SOON,
    ),
    WebCase(
        "58",
        "503 with seconds",
        _BROKEN,
        site=answer(status="503 Service Unavailable", headers={"Retry-After": "60"}),
        rests_s=(55, 60),
    ),
    WebCase("58b", "503, says nothing", _BROKEN, site=answer(status="503 Busy"), rests_s=_SOON),
    WebCase("58c", "500", _BROKEN, site=answer(status="500 Oh"), rests_s=(0.0, 0.0)),
    WebCase("58d", "status 999", _BROKEN, site=answer(status="999 Request Denied")),
    WebCase(
        "59",
        "403 with a captcha",
        "REFUSED",
        site=answer(_HTML, status="403 Forbidden"),
        requests=1,
    ),
    WebCase(
        "60",
        "401: no credentials are sent",
        "REFUSED",
        site=answer(status="401 Unauthorized", headers={"WWW-Authenticate": 'Basic realm="x"'}),
        requests=1,
    ),
    WebCase(
        "60b",
        "407",
        "REFUSED",
        site=answer(status="407 Proxy", headers={"Proxy-Authenticate": "Basic"}),
        requests=1,
    ),
    WebCase("60c", "404 with an image", "NOT_FOUND", site=image("404 Not Found"), requests=1),
    WebCase("60d", "410", "NOT_FOUND", site=answer(status="410 Gone")),
    WebCase("60e", "451", "REFUSED", site=answer(status="451 Legal")),
    WebCase("60f", "408", _BROKEN, site=answer(status="408 Request Timeout")),
    WebCase("60g", "425", _BROKEN, site=answer(status="425 Too Early")),
)

ANSWER_CASES: tuple[WebCase, ...] = (
    *_SLOW,
    *_LENGTHS,
    *_CODINGS,
    *_TYPES,
    *_HEADERS,
    *_STATUSES,
)
