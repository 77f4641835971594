from __future__ import annotations

import asyncio

import pytest

from services.crawler.fetch.time_budget import TimeBudget


async def test_time_is_spent_only_inside() -> None:
    """What passes between two pieces of work costs nothing; what passes within them does."""
    budget = TimeBudget(5.0)
    async with budget.spend():
        await asyncio.sleep(0.02)
    left_s = budget.left_s
    assert 4.0 < left_s <= 4.98
    await asyncio.sleep(0.02)
    assert budget.left_s == left_s


async def test_work_ends_with_the_budget() -> None:
    """Work that takes longer than is left ends with TimeoutError, and so does the next at once."""
    budget = TimeBudget(0.02)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with budget.spend():
                await asyncio.Event().wait()
    assert budget.left_s <= 0


async def test_errors_cost_their_time() -> None:
    """Work that fails has spent its time all the same."""
    budget = TimeBudget(1.0)
    with pytest.raises(KeyError):
        async with budget.spend():
            await asyncio.sleep(0.01)
            raise KeyError
    assert budget.left_s < 0.995
