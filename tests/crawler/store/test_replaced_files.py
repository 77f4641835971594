"""Removing the files of replaced images, by a process that stops in between."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from services.crawler.catalogue import replacements
from services.crawler.keyed_lock import KeyedLock
from services.crawler.store import replaced_files
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.file_work import FileWork
from services.crawler.store.replaced_files import ReplacedFileRemoval
from services.crawler.store.store_wait import StoreWait
from tests.crawler.store.replacing_world import Copies, digest_of


@pytest.fixture
async def world(tmp_path, place):
    world = Copies(tmp_path, place)
    await world.begin()
    yield world
    await world.close()


@pytest.fixture
async def removal(world, monkeypatch):
    """What is to remove the files of the first image, which a better copy has replaced."""
    one, two = await world.lease(2)
    await world.accept(one, 1)
    with monkeypatch.context() as patched:
        patched.setattr(replaced_files, "_BEGINS_WITHIN_S", 0.0)
        await world.accept(two, 2, 2)
    assert world.store.has(digest_of(1))
    removal = ReplacedFileRemoval(FileWork(world.database, world.store, StoreWait(), KeyedLock()))
    removal.owe(await world.database.run(replacements.list_unremoved))
    return removal


async def is_owed(world):
    unremoved = await world.database.run(replacements.list_unremoved)
    return [files.digest for files in unremoved] == [digest_of(1)]


async def test_who_stopped_before_he_removes_leaves_it_to_others(world, removal):
    """It is free for them at once: nothing was begun."""
    assert await is_owed(world)
    await removal.remove()
    assert not world.store.has(digest_of(1))
    assert not await is_owed(world)


@pytest.mark.parametrize("fails", [False, True])
async def test_who_took_too_long_says_nothing_of_what_another_has_begun(
    world, removal, monkeypatch, fails
):
    """Neither that the files are gone nor that anybody may remove them: who has begun may be in the middle of it.

    The catalogue was away when that was to be written, so that the other came first.
    """
    remove = world.store.remove
    begin = partial(replacements.begin_removal, digest=digest_of(1), now=time.time() + 1e6)
    loop = asyncio.get_running_loop()

    def slow(*given):
        remove(*given)
        taking = world.database.run(partial(begin, duration_s=180.0))
        taken.append(asyncio.run_coroutine_threadsafe(taking, loop).result(20))
        if fails:
            raise StoreAway("/data", "Input/output error")

    taken = []
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "remove", slow)
        await removal.remove()
    assert not world.store.has(digest_of(1))
    assert await is_owed(world)
    [expire_time] = taken
    record = partial(replacements.record_removed, digest=digest_of(1), expire_time=expire_time)
    assert await world.database.run(record)
    assert not await is_owed(world)


async def test_who_took_too_long_says_that_the_files_are_gone_if_nobody_else_has_begun(
    world, removal, monkeypatch
):
    """Nobody removes them a second time."""
    with monkeypatch.context() as patched:
        patched.setattr(replaced_files, "_ALONE_S", 0.0)
        await removal.remove()
    assert not world.store.has(digest_of(1))
    assert not await is_owed(world)
