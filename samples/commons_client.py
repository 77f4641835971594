"""A polite client of the MediaWiki API: one request at a time, and waiting when it is asked to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from samples.errors import DownloadError

_USER_AGENT: Final = "lodestone-samples/0.1 (fetches a few dozen sample photos once; Python urllib)"
_TIMEOUT_S: Final = 30.0
_TRIES: Final = 5
_LONGEST_WAIT_S: Final = 120.0
_MAX_LAG_S: Final = 5
_MAX_BYTES: Final = 40_000_000
_CHUNK: Final = 1 << 16
_T = TypeVar("_T")


class _TryAgainError(Exception):
    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class CommonsClient:
    """Asks one MediaWiki API and downloads what it names.

    Requests go one after another, name this program, carry `maxlag` and honour Retry-After, as
    https://www.mediawiki.org/wiki/API:Etiquette asks.

    Args:
        api: The address of its api.php.
        sleep: Waits the given seconds.
    """

    def __init__(self, api: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api = api
        self._sleep = sleep

    def ask(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The answer to one query, as JSON.

        Raises:
            DownloadError: It could not be had, or is an error.
        """
        fixed = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "maxlag": str(_MAX_LAG_S),
        }
        url = f"{self._api}?{urlencode({**fixed, **parameters})}"
        return self._again(url, lambda: self._ask_once(url))

    def download(self, url: str, path: Path) -> None:
        """Downloads the image at `url` to `path`, whole or not at all.

        Raises:
            DownloadError: It could not be had, is no image or is over 40 MB.
        """
        part = path.with_name(f"{path.name}.part")
        self._again(url, lambda: self._download_once(url, part))
        part.rename(path)

    def _ask_once(self, url: str) -> dict[str, Any]:
        with self._open(url) as response:
            try:
                answer: dict[str, Any] = json.load(response)
            except ValueError as error:
                raise DownloadError(self._api, "the answer is not JSON") from error
            wait_s = _wait_s(response.headers.get("Retry-After"))
        problem = answer.get("error")
        if problem is None:
            return answer
        if problem.get("code") in {"maxlag", "ratelimited"}:
            raise _TryAgainError(str(problem.get("info", "busy")), wait_s)
        raise DownloadError(self._api, str(problem.get("info", problem)))

    def _download_once(self, url: str, part: Path) -> None:
        with self._open(url) as response:
            kind = response.headers.get_content_type()
            if not kind.startswith("image/"):
                raise DownloadError(url, f"it is {kind}, not an image")
            size = 0
            with part.open("wb") as file:
                while chunk := response.read(_CHUNK):
                    size += len(chunk)
                    if size > _MAX_BYTES:
                        raise DownloadError(url, f"it is over {_MAX_BYTES} bytes")
                    file.write(chunk)
            if size != int(response.headers.get("Content-Length", size)):
                raise _TryAgainError("the connection closed early")

    @contextmanager
    def _open(self, url: str) -> Iterator[HTTPResponse]:
        if urlsplit(url).scheme not in {"https", urlsplit(self._api).scheme}:
            raise DownloadError(url, "it is not an https address")
        request = Request(url, headers={"User-Agent": _USER_AGENT})  # noqa: S310 - checked above
        try:
            with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - the same
                yield response
        except HTTPError as error:
            if error.code == 429 or error.code >= 500:
                wait_s = _wait_s(error.headers.get("Retry-After"))
                raise _TryAgainError(f"HTTP {error.code}", wait_s) from error
            raise DownloadError(url, f"HTTP {error.code}") from error
        except URLError as error:
            raise _TryAgainError(str(error.reason)) from error
        except (OSError, HTTPException) as error:
            raise _TryAgainError(str(error) or type(error).__name__) from error

    def _again(self, url: str, once: Callable[[], _T]) -> _T:
        """Calls `once` until it ends well, at most five times, waiting as told or twice as long each time."""
        for attempt in range(_TRIES):
            try:
                return once()
            except _TryAgainError as error:
                wait_s = 2.0**attempt if error.wait_s is None else error.wait_s
                if attempt + 1 == _TRIES or wait_s > _LONGEST_WAIT_S:
                    raise DownloadError(url, str(error)) from error
            self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")


def _wait_s(retry_after: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
