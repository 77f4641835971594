"""What the clients share: reachability and closing."""

from __future__ import annotations

import asyncio
import socket

import pytest

from lodestone.client import CrawlerClient, EmbedderClient, ServiceUnreachable, StreamClosed
from lodestone.image.v1.image_pb2 import Image


async def test_nobody_there_is_told_at_once():
    """Connection refused: an error with the word and the address."""
    async with CrawlerClient("127.0.0.1:1") as crawler:
        with pytest.raises(ServiceUnreachable, match=r"^no crawler at 127\.0\.0\.1:1$") as raised:
            await crawler.require_reachable()
    assert raised.value.word == "crawler"
    assert raised.value.address == "127.0.0.1:1"


async def test_somebody_who_says_nothing_is_not_there():
    """A server that accepts and stays silent is given up after the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with CrawlerClient(f"127.0.0.1:{silent.getsockname()[1]}") as crawler:
            with pytest.raises(ServiceUnreachable):
                await crawler.require_reachable(timeout_s=0.2)


async def test_a_closed_client_lets_no_call_wait():
    """Calls that wait for a server that is not there end with StreamClosed."""
    embedder = EmbedderClient("127.0.0.1:1")
    call = asyncio.create_task(embedder.embed(Image()))
    await asyncio.sleep(0)
    await embedder.close()
    await embedder.close()
    with pytest.raises(StreamClosed):
        await call
