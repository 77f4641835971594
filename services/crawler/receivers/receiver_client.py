"""Posts to receivers that the operator chose: within bounds, and never further than to the one that was named."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeAlias

import aiohttp
from yarl import URL

from services.crawler.fetch.body import read_start
from services.crawler.fetch.retry_after import read_retry_after
from services.servicekit.errors import LodestoneError, Misconfigured

Body: TypeAlias = bytes | aiohttp.FormData

_CONNECT_S: Final = 5.0
# What is longer is cut off, and then cannot be understood.
_ANSWER_BYTES: Final = 1_000_000
_SHOWN_CHARACTERS: Final = 200
_TOKEN_CHARACTERS: Final = 8


class NoAnswer(LodestoneError):
    """A receiver gave no whole answer. The message names its host and port, never its path.

    Attributes:
        reached: Whether it may have got the request all the same.
    """

    def __init__(self, cause: str, *, reached: bool) -> None:
        super().__init__(cause)
        self.reached = reached


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered.

    Attributes:
        status: The HTTP status.
        body: At most 1,000,000 bytes of it.
        retry_after_s: When it asks to be asked again, seconds from now; None if it does not say.
    """

    status: int
    body: bytes
    retry_after_s: float | None


def receiver_url(text: str, *, path: str = "") -> URL:
    """Reads the address of a receiver: http or https, without a name or password. Private addresses are allowed.

    Args:
        text: The address.
        path: What is asked for there, behind the path that the address has.

    Raises:
        Misconfigured: It is no such address. It is not quoted: it may hold a secret.
    """
    try:
        url = URL(text)
        is_whole = bool(url.scheme in ("http", "https") and url.host and url.port)
    except ValueError:
        is_whole = False
    if not is_whole or url.user or url.password or url.fragment:
        raise Misconfigured(
            "the address of a receiver must be like https://host:port/path, without a password"
        )
    return url.with_path(url.path.rstrip("/") + path) if path else url


class ReceiverClient:
    """Use it as an async context manager.

    Follows no redirects, ignores proxies of the environment, keeps no cookies, and repeats nothing by itself. Whom it
    asks, a person wrote into the settings: so loopback and private addresses are allowed, and no pace or robots.txt
    holds it back.
    """

    def __init__(self, user_agent: str) -> None:
        """Takes what it calls itself."""
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # A kept connection that the receiver has just closed would look like one that broke.
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_S),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        # aiohttp would post once more to a receiver that closes the connection, and nobody would count it.
        self._session._retry_connection = False  # noqa: SLF001 - it has no setting
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(
        self, url: URL, body: Body, *, headers: Mapping[str, str] | None = None, total_s: float
    ) -> Answer:
        """Posts, and reads the answer, whatever its status.

        Raises:
            NoAnswer: None came whole within `total_s`.
        """
        where = f"{url.host}:{url.port}"
        try:
            async with (
                asyncio.timeout(total_s),
                self._session.post(
                    url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                content = await read_start(response, max_bytes=_ANSWER_BYTES)
                wait = response.headers.get("Retry-After", "")
                return Answer(response.status, content, read_retry_after(wait, now=time.time()))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NoAnswer(f"no connection to {where}: {_cause(error)}", reached=False) from None
        except TimeoutError:
            raise NoAnswer(f"no answer from {where} in {total_s:g} s", reached=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = f"the connection to {where} broke: {type(error).__name__}"
            raise NoAnswer(cause, reached=True) from None


def said(answer: Answer, url: URL) -> str:
    """What an answer says, on one line of at most 200 characters, without the secrets that the address may hold."""
    text = " ".join(answer.body[: 8 * _SHOWN_CHARACTERS].decode("utf-8", "replace").split())
    for part in _secrets_of(url):
        text = text.replace(part, "***")
    return "".join(one if one.isprintable() else "?" for one in text)[:_SHOWN_CHARACTERS]


def _secrets_of(url: URL) -> list[str]:
    """The parts of an address that are long enough to be a token, longest first; a careless receiver repeats them."""
    parts = {*url.parts, *url.raw_parts, *url.query.values(), url.path_qs, url.raw_path_qs}
    return sorted((one for one in parts if len(one) >= _TOKEN_CHARACTERS), key=len, reverse=True)


def _cause(error: aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"none within {_CONNECT_S:g} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return " ".join(str(error.certificate_error).split())[:_SHOWN_CHARACTERS]
    number = error.os_error.errno or 0
    if number > 0:
        return os.strerror(number)
    # What looks names up has numbers of its own.
    return str(error.os_error.strerror or type(error.os_error).__name__)[:_SHOWN_CHARACTERS]
