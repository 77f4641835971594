"""What went wrong with a request, as an outcome: one reason and one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from services.crawler.fetch.address import ForbiddenAddress, ForbiddenPort
from services.crawler.fetch.guarded_connector import NameUnresolved
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.url import BadUrl, WebUrl
from services.crawler.outcome import FetchFailed, OutcomeReason, StatusFailed

# What stands between a request and its answer: all that the client, the guard and the sockets raise.
REQUEST_ERRORS = (
    aiohttp.ClientError,
    ForbiddenAddress,
    ForbiddenPort,
    NameUnresolved,
    OSError,
    ValueError,
)

_SHOWN_CHARACTERS = 200
_RETRY_LATER = frozenset({408, 425})
_GONE = frozenset({404, 410})
_NOT_MODIFIED = 304
_PROXY_REFUSES = 407
_NETWORK_REFUSES = 511


class ProxyFailed(FetchFailed):
    """The egress proxy is away or does not let us in: no host is to blame."""

    def __init__(self, cause: str) -> None:
        super().__init__(OutcomeReason.UNREACHABLE, f"the egress proxy {cause}")


@contextmanager
def on_the_way(first: WebUrl, at: WebUrl, *, is_robots: bool = False) -> Iterator[None]:
    """Says of what fails at an address that nobody listed that it was redirected there.

    Args:
        first: The address that was listed.
        at: Where its redirects have led to.
        is_robots: Whether `first` is that of a robots.txt, so that the listing itself was not redirected.

    Raises:
        FetchFailed: The failure; its `final_url` is that address if none has answered.
    """
    try:
        yield
    except FetchFailed as failure:
        if at is not first and not failure.final_url:
            what = f"the robots.txt of {first.host}" if is_robots else "it"
            # Without its path, which may be long and hold what is not to be shown: a part of that could not be found.
            failure.args = (f"{what} is redirected to {at.join('/').text}: {failure}",)
            failure.final_url = "" if is_robots else at.text
        raise


def failure_of(
    error: Exception, url: WebUrl, limits: FetchLimits, *, final_url: str = ""
) -> FetchFailed:
    """Sorts what a request raised; `REQUEST_ERRORS` lists the kinds."""
    where = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ClientProxyConnectionError():
            return ProxyFailed(f"cannot be reached: {_cause(error)}")
        case aiohttp.ClientHttpProxyError():
            return failure_of_proxy(error.status, url)
        case ForbiddenAddress():
            reason = OutcomeReason.FORBIDDEN_ADDRESS
            message = str(error) if url.address else f"{url.host}: {error}"
        case ForbiddenPort() | aiohttp.InvalidURL():
            reason, message = OutcomeReason.BAD_URL, f"{url.host}: {error}"
        case TimeoutError():
            reason, message = _too_late(error, where, limits)
        case aiohttp.ClientPayloadError():
            reason, message = OutcomeReason.INCOMPLETE, "the answer ended before it was complete"
        case aiohttp.ClientResponseError():
            reason = OutcomeReason.SERVER_ERROR
            message = f"{where} does not answer in valid HTTP: {_one_line(error.message)}"
        case aiohttp.ClientConnectorDNSError() | NameUnresolved():
            reason = OutcomeReason.NAME_UNRESOLVED
            message = f"the name {url.host} does not resolve: {_cause(error)}"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            reason = OutcomeReason.TLS_FAILED
            message = f"TLS with {where} failed: {_cause(error)}"
        case _:
            reason, message = OutcomeReason.UNREACHABLE, _unreachable(error, url)
    return FetchFailed(reason, message, final_url=final_url)


def failure_of_status(
    status: int, url: WebUrl, *, retry_after_s: float | None = None
) -> StatusFailed:
    """Sorts an answer that is neither a body nor a redirect."""
    message = f"{url.host} answered HTTP {status}"
    if status in _GONE:
        reason = OutcomeReason.NOT_FOUND
    elif status == 429:
        reason = OutcomeReason.RATE_LIMITED
    elif 400 <= status < 500 and status not in _RETRY_LATER:
        reason = OutcomeReason.REFUSED
    elif status == _NOT_MODIFIED:
        reason = OutcomeReason.REFUSED
        message = f"{message}, although it was not asked whether anything has changed"
    elif status == _NETWORK_REFUSES:
        reason = OutcomeReason.UNREACHABLE
        message = f"the network on the way to {url.host} wants a login (HTTP 511)"
    elif status == 206:
        reason, message = OutcomeReason.INCOMPLETE, f"{url.host} sent only a part (HTTP 206)"
    else:
        reason = OutcomeReason.SERVER_ERROR
    return StatusFailed(
        reason, message, final_url=url.text, status=status, retry_after_s=retry_after_s
    )


def failure_of_proxy(status: int, url: WebUrl) -> FetchFailed:
    """The proxy's own answer, of which only the status counts: a careless one may repeat what it was told."""
    if status == _PROXY_REFUSES:
        return ProxyFailed("wants other credentials (HTTP 407)")
    message = f"the egress proxy answered HTTP {status} for {url.host}:{url.port}"
    return FetchFailed(OutcomeReason.UNREACHABLE, message)


def failure_of_redirect(error: BadUrl, url: WebUrl) -> FetchFailed:
    """A redirect that leads to no web URL."""
    message = f"{url.host} redirects to {error.url!r}: {error.cause}"
    return FetchFailed(OutcomeReason.BAD_URL, message, final_url=url.text)


def _too_late(error: TimeoutError, where: str, limits: FetchLimits) -> tuple[OutcomeReason, str]:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        message = f"no connection to {where} within {limits.connect_s:g} s"
        return OutcomeReason.UNREACHABLE, message
    if isinstance(error, aiohttp.ServerTimeoutError):
        return OutcomeReason.TIMEOUT, f"nothing came from {where} for {limits.first_byte_s:g} s"
    return OutcomeReason.TIMEOUT, f"the answer was not complete within {limits.total_s:g} s"


def _unreachable(error: Exception, url: WebUrl) -> str:
    where = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ClientConnectorError():
            return f"no connection to {where}: {_cause(error)}"
        case aiohttp.ServerDisconnectedError():
            return f"{where} closed the connection before it answered"
        case _:
            return f"the connection to {where} broke: {_one_line(error)}"


def _cause(
    error: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError | NameUnresolved,
) -> str:
    if isinstance(error, NameUnresolved):
        return error.cause
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _one_line(error.certificate_error)
    return _one_line(error.os_error.strerror or error.os_error)


def _one_line(text: object) -> str:
    return (" ".join(str(text).split()) or type(text).__name__)[:_SHOWN_CHARACTERS]
