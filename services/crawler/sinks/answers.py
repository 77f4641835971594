"""How sinks over HTTP tell a receiver that is away from one that says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from yarl import URL

from services.crawler.receivers.receiver_client import (
    Answer,
    Body,
    NoAnswer,
    ReceiverClient,
    said,
)
from services.crawler.sinks.sink import DeliveryFailed, FailureKind

_GONE: Final = 410
# Not now: too many, too early, in maintenance.
_LATER: Final = frozenset({408, 425, 429, 503})


async def post(
    client: ReceiverClient,
    url: URL,
    body: Body,
    *,
    headers: Mapping[str, str] | None = None,
    total_s: float,
) -> Answer:
    """Posts a delivery; the answer is a success, 2xx.

    Raises:
        DeliveryFailed: It is none.
    """
    try:
        answer = await client.post(url, body, headers=headers, total_s=total_s)
    except NoAnswer as error:
        kind = FailureKind.BROKEN if error.reached else FailureKind.AWAY
        raise DeliveryFailed(kind, str(error)) from error
    if not 200 <= answer.status < 300:
        raise _failure_of(answer, url)
    return answer


def _failure_of(answer: Answer, url: URL) -> DeliveryFailed:
    message = f"HTTP {answer.status}"
    if 300 <= answer.status < 400:
        message += ": it redirects, which is not followed; give the address that it redirects to"
        return DeliveryFailed(FailureKind.REJECTED, message)
    if text := said(answer, url):
        message += f": {text}"
    if answer.status in _LATER:
        return DeliveryFailed(FailureKind.AWAY, message, retry_after_s=answer.retry_after_s)
    if answer.status == _GONE:
        return DeliveryFailed(FailureKind.GONE, message)
    kind = FailureKind.REJECTED if answer.status < 500 else FailureKind.BROKEN
    return DeliveryFailed(kind, message, retry_after_s=answer.retry_after_s)
