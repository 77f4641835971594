"""Answers the items of one unary call concurrently, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


async def answer_items(
    items: Iterable[Item], answer: Callable[[Item], Awaitable[Answer]]
) -> list[Answer]:
    """One answer per item, in the order of the items; an error of `answer` ends the others."""
    tasks = [asyncio.ensure_future(answer(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
