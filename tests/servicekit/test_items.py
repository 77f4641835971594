from __future__ import annotations

import asyncio

import pytest

from services.servicekit.items import answer_items


async def test_answers_have_the_order_of_the_items():
    """Whatever order they are ready in."""
    ready = [asyncio.Event() for _ in range(4)]

    async def answer(number: int) -> int:
        if number > 0:
            await ready[number].wait()
        if number < 3:
            ready[number + 1].set()
        return number * 10

    assert await answer_items([3, 0, 2, 1], answer) == [30, 0, 20, 10]
    assert await answer_items([], answer) == []


async def test_an_error_ends_the_others():
    """Nobody works for a call that has failed."""
    ended = []

    async def answer(number: int) -> int:
        if number == 1:
            await asyncio.sleep(0)
            message = "the second one"
            raise ValueError(message)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    before = asyncio.all_tasks()
    with pytest.raises(ValueError, match="the second one"):
        await answer_items(range(3), answer)

    assert ended == [0, 2]
    assert asyncio.all_tasks() == before


async def test_a_cancelled_call_ends_its_items():
    """A client that has gone leaves no work behind."""
    started = asyncio.Event()

    async def answer(_: int) -> None:
        started.set()
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    call = asyncio.create_task(answer_items(range(5), answer))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert asyncio.all_tasks() == before
