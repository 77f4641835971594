from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.crawler.store.accept_turns import AcceptTurns
from tests.crawler.subjects import decoded_candidate, random_fingerprint


async def test_near_identical_images_take_turns():
    """Of those under way no two are near; what is like none of them does not wait."""
    turns, order = AcceptTurns(), []
    may_end = asyncio.Event()

    async def accept(name, decoded):
        async with turns.turn(name, decoded):
            order.append(name)
            await may_end.wait()
            order.append(f"{name} ends")

    picture = random_fingerprint(1)
    near = [decoded_candidate(number, fingerprint=picture) for number in range(2)]
    tasks = [
        asyncio.create_task(accept("first", near[0])),
        asyncio.create_task(accept("second", near[1])),
        asyncio.create_task(accept("other", decoded_candidate(7))),
    ]
    while len(order) < 2:
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == ["first", "other"]
    may_end.set()
    await asyncio.gather(*tasks)
    assert order.index("second") > order.index("first ends")


async def test_the_same_bytes_take_no_turns():
    """For another profile they may be kept as well; a mirror image is the same picture."""
    turns, picture = AcceptTurns(), random_fingerprint(1)
    mirrored = replace(decoded_candidate(2), mirrored=picture)
    async with turns.turn("first", decoded_candidate(1, fingerprint=picture)):
        async with asyncio.timeout(30):
            async with turns.turn("first", decoded_candidate(1, fingerprint=picture)):
                pass
        waiting = asyncio.create_task(turns.turn("second", mirrored).__aenter__())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
    async with asyncio.timeout(30):
        await waiting


async def test_a_turn_that_fails_is_over():
    """The next one's comes."""
    turns, picture = AcceptTurns(), random_fingerprint(1)

    async def fail():
        async with turns.turn("first", decoded_candidate(1, fingerprint=picture)):
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        await fail()
    async with asyncio.timeout(30):
        async with turns.turn("second", decoded_candidate(2, fingerprint=picture)):
            pass
