from __future__ import annotations

import asyncio

import pytest

from services.servicekit.errors import Unavailable
from services.servicekit.stream_room import StreamRoom


async def settle() -> None:
    """Lets everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


class Visitors:
    """Items by name, and who is in."""

    def __init__(self, room: StreamRoom) -> None:
        self.room = room
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, size_bytes: int) -> None:
        async def enter() -> None:
            await self.room.enter(size_bytes)
            self.inside.append(name)

        self.tasks[name] = asyncio.create_task(enter())
        await settle()

    async def go(self, name: str, size_bytes: int) -> None:
        self.inside.remove(name)
        self.room.leave(size_bytes)
        await settle()


@pytest.fixture
def visitors():
    return Visitors(StreamRoom(places=3, max_bytes=100))


async def test_there_are_so_many_places(visitors):
    """Those who wait get them in their order."""
    for name in "abcde":
        await visitors.come(name, 1)
    assert visitors.inside == ["a", "b", "c"]

    await visitors.go("b", 1)
    assert visitors.inside == ["a", "c", "d"]
    await visitors.go("a", 1)
    assert visitors.inside == ["c", "d", "e"]


async def test_twice_as_many_bytes_may_wait(visitors):
    """What would be more is refused, and may come again when there is less; nothing that waits is lost."""
    for name, size_bytes in (("a", 100), ("b", 90), ("c", 90)):
        await visitors.come(name, size_bytes)
    with pytest.raises(Unavailable, match="180 bytes of them wait already"):
        await visitors.room.enter(21)
    await visitors.come("d", 20)
    assert visitors.inside == ["a"]

    await visitors.go("a", 100)
    await visitors.come("e", 90)
    await visitors.go("b", 90)
    assert visitors.inside == ["c"]
    await visitors.go("c", 90)
    assert visitors.inside == ["d"]
    await visitors.go("d", 20)
    assert visitors.inside == ["e"]


async def test_one_item_may_wait_whatever_its_size(visitors):
    """It is computed when the others have gone, and those who gave up waiting are not counted."""
    await visitors.come("a", 1)
    await visitors.come("huge", 1_000)
    visitors.tasks["huge"].cancel()
    await settle()
    await visitors.come("large", 1_000)
    await visitors.go("a", 1)
    assert visitors.inside == ["large"]


async def test_there_are_so_many_bytes(visitors):
    """A small item does not overtake a large one, which would wait for ever."""
    await visitors.come("a", 60)
    await visitors.come("large", 50)
    await visitors.come("small", 1)
    assert visitors.inside == ["a"]

    await visitors.go("a", 60)
    assert visitors.inside == ["large", "small"]


async def test_what_is_larger_than_the_room_is_alone_in_it(visitors):
    """It is not refused here; a message has a limit of its own."""
    await visitors.come("a", 1)
    await visitors.come("huge", 1_000)
    assert visitors.inside == ["a"]

    await visitors.go("a", 1)
    await visitors.come("b", 1)
    assert visitors.inside == ["huge"]
    await visitors.go("huge", 1_000)
    assert visitors.inside == ["b"]


async def test_one_who_gives_up_waiting_leaves_its_turn(visitors):
    """And takes nothing with it."""
    await visitors.come("a", 100)
    await visitors.come("gone", 50)
    await visitors.come("b", 50)
    visitors.tasks["gone"].cancel()
    await settle()

    await visitors.go("a", 100)
    assert visitors.inside == ["b"]
    await visitors.come("c", 50)
    assert visitors.inside == ["b", "c"]
