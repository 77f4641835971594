"""Errors as lines for people."""

from __future__ import annotations

import grpc
import pytest

from lodestone.cli.errors import CliError, SeveralErrors, error_lines, explain, plain_reason
from lodestone.client import CrawlerClient

REFUSED = (
    "connections to all backends failing; last error: UNKNOWN: ipv4:127.0.0.1:50051: "
    "Failed to connect to remote host: Connection refused"
)
CANNOT = "cannot reach the crawler service at {}: is `lodestone up` running?"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "nowhere.invalid:1"])
async def test_a_connection_that_fails_is_told_in_our_words(monkeypatch, address):
    """Which service, where, and what to do; found by the port."""
    monkeypatch.setenv("LODESTONE_CRAWLER", address)
    async with CrawlerClient(address) as crawler:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await crawler.list_crawls()
    assert explain(raised.value) == CANNOT.format(address)


async def test_a_connection_to_none_of_the_four_is_told_too(monkeypatch):
    """A client of somewhere else."""
    monkeypatch.setenv("LODESTONE_CRAWLER", "127.0.0.1:2")
    async with CrawlerClient("127.0.0.1:1") as crawler:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await crawler.list_crawls()
    assert explain(raised.value).startswith("cannot reach a service at 127.0.0.1:1: ")


def test_a_reason_to_wait_is_told_in_our_words():
    """gRPC's part of the sentence is replaced, what comes before it stays; other reasons stay whole."""
    assert plain_reason(REFUSED) == "no connection to 127.0.0.1:50051"
    assert (
        plain_reason(f"the embedder is away: {REFUSED}")
        == "the embedder is away: no connection to 127.0.0.1:50051"
    )
    assert plain_reason("it is\nshutting down") == "it is shutting down"


def test_several_errors_are_several_lines():
    """One line each, whatever is in them."""
    assert error_lines(SeveralErrors(["one\nline", "two"])) == ["one line", "two"]
    assert error_lines(CliError("only\none")) == ["only one"]
