"""Bounded work in order, and an end to waiting."""

from __future__ import annotations

import asyncio

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.running import Patience, ordered_map


async def test_results_come_in_order_and_few_are_under_way():
    """The slow first one holds back the others' results, not more than the limit of them."""
    release = asyncio.Event()
    started = []

    async def work(item):
        started.append(item)
        if item == 0:
            await release.wait()
        return item * 10

    results = ordered_map(range(10), work, limit=3)
    first = asyncio.ensure_future(anext(results))
    for _ in range(20):
        await asyncio.sleep(0)
    assert started == [0, 1, 2]
    release.set()
    assert [await first, *[pair async for pair in results]] == [(n, n * 10) for n in range(10)]


async def test_an_error_ends_the_work_under_way():
    """The others are cancelled."""
    cancelled = []

    async def work(item):
        if item == 0:
            raise ValueError("no")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(item)

    results = ordered_map(range(3), work, limit=3)
    with pytest.raises(ValueError, match="no"):
        await anext(results)
    assert cancelled == [1, 2]


async def test_patience_ends_and_names_the_reason():
    """A service that stays away longer than the limit ends the work with one line."""
    notes = []
    patience = Patience("embedder", notes.append, limit_s=0.01)

    async def wait_in_vain():
        async with patience.limit():
            patience.on_wait("refused")
            await asyncio.Event().wait()

    with pytest.raises(CliError, match=r"the embedder stayed away for 0.01 s: refused"):
        await wait_in_vain()
    assert notes == ["the embedder is away (refused): waiting for it"]


async def test_patience_is_new_when_the_service_is_back():
    """Away and back in time ends nothing; each is told once."""
    notes = []
    patience = Patience("embedder", notes.append, limit_s=60)
    async with patience.limit():
        patience.on_wait("refused")
        patience.on_wait("refused again")
        assert patience._timeout.when() is not None
        patience.on_wait(None)
        patience.on_wait(None)
        assert patience._timeout.when() is None
    assert notes == [
        "the embedder is away (refused): waiting for it",
        "the embedder is back",
    ]


async def test_other_time_outs_are_not_patience():
    """A TimeoutError from inside stays what it is."""
    patience = Patience("embedder", print, limit_s=5)
    with pytest.raises(TimeoutError):
        async with patience.limit():
            raise TimeoutError
