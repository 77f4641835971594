"""Follows a resolution to its images, with whatever can ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from services.crawler.resolvers.resolution import (
    NOT_KNOWN,
    Answer,
    Ask,
    AskKind,
    Images,
    Resolution,
    Unanswered,
)

ASKS_MAX = 8


async def follow(resolution: Resolution, ask: Callable[[Ask], Awaitable[Answer]]) -> Images:
    """Asks, at most 8 times and for nothing twice, until the images are known.

    `ask` gets one thing. It raises Unanswered where asking again is useless (a 404, no key for this kind): the fallback
    is tried. Every other error passes through: while a host is away, a fallback would be taken for the best.
    """
    causes: list[str] = []
    asked: set[tuple[AskKind, str]] = set()
    while isinstance(resolution, Ask):
        if len(asked) == ASKS_MAX:
            causes.append(f"{resolution.url.text[:200]} was not asked for, after {ASKS_MAX} others")
            resolution = NOT_KNOWN
            break
        question = resolution
        try:
            resolution = await _next(question, ask, asked)
        except Unanswered as unanswered:
            causes.append(str(unanswered))
            resolution = question.fallback
    return resolution if resolution.is_best else replace(resolution, causes=tuple(causes))


async def _next(
    question: Ask, ask: Callable[[Ask], Awaitable[Answer]], asked: set[tuple[AskKind, str]]
) -> Resolution:
    name = (question.kind, question.url.text)
    if name in asked:
        raise Unanswered(question.url, "it was asked for before")
    asked.add(name)
    answer = await ask(question)
    # A hostile page is seconds of work.
    return await asyncio.to_thread(question.read, answer)
