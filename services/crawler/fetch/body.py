"""Reads a body within its bounds: counted bytes, and a rate that is worth waiting for."""

from __future__ import annotations

import asyncio

import aiohttp

from services.crawler.fetch.limits import FetchLimits
from services.crawler.outcome import FetchFailed, OutcomeReason


async def read_body(
    response: aiohttp.ClientResponse, limits: FetchLimits, *, max_bytes: int
) -> bytes:
    """Reads a response's body as it comes, without decoding it.

    Raises:
        FetchFailed: TOO_MANY_BYTES, stated or counted; TIMEOUT if it comes too slowly.
    """
    final_url = str(response.url)
    stated = response.content_length
    if stated is not None and stated > max_bytes:
        message = f"the answer has {stated:,} bytes, over the limit of {max_bytes:,}"
        raise FetchFailed(OutcomeReason.TOO_MANY_BYTES, message, final_url=final_url)
    body = bytearray()
    while True:
        before = len(body)
        try:
            async with asyncio.timeout(limits.rate_window_s):
                await _read_into(body, response.content, max_bytes)
        except aiohttp.ServerTimeoutError:
            raise
        except TimeoutError:
            _check_rate(len(body) - before, limits, final_url)
            continue
        if len(body) > max_bytes:
            message = f"the answer goes on after the limit of {max_bytes:,} bytes"
            raise FetchFailed(OutcomeReason.TOO_MANY_BYTES, message, final_url=final_url)
        return bytes(body)


async def read_start(response: aiohttp.ClientResponse, *, max_bytes: int) -> bytes:
    """Reads the first `max_bytes` of a body, without decoding it; what comes after does not matter."""
    body = bytearray()
    await _read_into(body, response.content, max_bytes)
    return bytes(body[:max_bytes])


async def _read_into(body: bytearray, stream: aiohttp.StreamReader, max_bytes: int) -> None:
    while len(body) <= max_bytes:
        chunk = await stream.readany()
        if not chunk:
            return
        body += chunk


def _check_rate(count: int, limits: FetchLimits, final_url: str) -> None:
    if count < limits.min_bytes_per_s * limits.rate_window_s:
        message = (
            f"{count:,} bytes came within {limits.rate_window_s:g} s, under the rate of "
            f"{limits.min_bytes_per_s:,.0f} a second"
        )
        raise FetchFailed(OutcomeReason.TIMEOUT, message, final_url=final_url)
