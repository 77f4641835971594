"""Readable names of images that are let go of while they are made."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from services.crawler.catalogue import images, replacements, settling
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.judgement import Judgement, Verdict
from services.crawler.keyed_lock import KeyedLock
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store import folder_store
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.file_work import FileWork
from services.crawler.store.name_making import NameMaking
from services.crawler.store.purging import PurgeLocks, PurgeRequest, Purging
from services.crawler.store.recorder import Recorder
from services.crawler.store.replaced_files import ReplacedFileRemoval
from services.crawler.store.store_wait import StoreWait
from tests.crawler.store.replacing_world import PROFILE, Copies, digest_of
from tests.crawler.subjects import accepted


@pytest.fixture
async def world(tmp_path, place):
    world = Copies(tmp_path, place)
    await world.begin()
    yield world
    await world.close()


class HeldLink:
    """The link of the first image stops before it is made, or before it gets its place."""

    def __init__(self, monkeypatch, *, made):
        self.reached, self._go_on = asyncio.Event(), threading.Event()
        self._loop, self._made = asyncio.get_running_loop(), made
        self._real = folder_store._link_or_copy
        monkeypatch.setattr(folder_store, "_link_or_copy", self._link)

    def go_on(self):
        self._go_on.set()

    def _link(self, source, part):
        if source.name != digest_of(1):
            self._real(source, part)
            return
        if self._made:
            self._real(source, part)
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self._go_on.wait(20)
        if not self._made:
            self._real(source, part)


async def replace_it(world, listing):
    """Another crawler keeps a better copy."""
    mine, world.recorder = world.recorder, Recorder(world.database, world.store, SeenImages())
    await world.accept(listing, 2, 2)
    await world.recorder.close()
    world.recorder = mine


async def purge_it(world, _listing):
    """Another crawler purges it."""
    locks = PurgeLocks(KeyedLock(), KeyedLock())
    purging = Purging(world.database, world.store, SeenImages(), None, locks)
    assert [one async for one in purging.purge(PurgeRequest(PurgeSelection((digest_of(1),))))]


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("let_go", [replace_it, purge_it])
async def test_the_name_of_what_is_not_kept_any_more_does_not_stay(
    world, monkeypatch, let_go, made
):
    """Another crawler lets go of the image before its name is there; nothing is said to be lost."""
    one, two = await world.lease(2)
    link = HeldLink(monkeypatch, made=made)
    with capture_logs() as logs:
        accepting = asyncio.create_task(world.accept(one, 1))
        await link.reached.wait()
        await let_go(world, two)
        link.go_on()
        await accepting
    kept = await world.kept()
    assert digest_of(1) not in kept
    assert len(world.names()) == len(kept)
    assert {one["event"] for one in logs} <= {"image_replaced", "image_purged"}
    assert await asyncio.to_thread(world.problems) == []


async def test_a_name_that_cannot_be_removed_is_removed_with_the_next_one(world, monkeypatch):
    """The store is away just then."""
    listed = await world.lease(4)
    link = HeldLink(monkeypatch, made=True)
    accepting = asyncio.create_task(world.accept(listed[0], 1))
    await link.reached.wait()
    await replace_it(world, listed[1])

    def away(_name):
        raise StoreAway("/data", "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "remove_name", away)
        link.go_on()
        await accepting
    assert len(world.names()) == 2
    await world.accept(listed[2], 3, picture=3)
    assert len(world.names()) == len(await world.kept()) == 2
    assert await asyncio.to_thread(world.problems) == []


async def test_nobody_who_records_waits_for_the_removal_of_a_name(world, monkeypatch):
    """It is found by the transaction that takes the name along; the store takes its time, and the end of all waits."""
    listed = await world.lease(4)
    link = HeldLink(monkeypatch, made=True)
    accepting = asyncio.create_task(world.accept(listed[0], 1))
    await link.reached.wait()
    await replace_it(world, listed[1])
    with monkeypatch.context() as patched:
        # Somebody is written next, and takes it along.
        patched.setattr(type(world.recorder._queue), "is_idle", property(lambda _: False))
        link.go_on()
        await accepting
    begun, may_go_on = asyncio.Event(), threading.Event()
    loop, remove_name = asyncio.get_running_loop(), world.store.remove_name

    def slow(name):
        loop.call_soon_threadsafe(begun.set)
        assert may_go_on.wait(20)
        remove_name(name)

    monkeypatch.setattr(world.store, "remove_name", slow)
    not_kept = Judgement(Verdict.OFF_PROFILE, "not liked", accepted().evidence)
    async with asyncio.timeout(10):
        for number in (3, 4):
            finding = world.finding(listed[number - 1], number, picture=number)
            await world.recorder.record(replace(finding, judgement=not_kept))
        await begun.wait()
    assert len(world.names()) == 2
    may_go_on.set()
    await world.recorder.close()
    assert len(world.names()) == len(await world.kept()) == 1
    assert await asyncio.to_thread(world.problems) == []


async def test_names_are_written_with_the_next_ones_when_a_transaction_fails(world, monkeypatch):
    """They are made, and no row says so yet: whatever becomes of what took them along, no start makes them again."""
    listed = await world.lease(3)
    with monkeypatch.context() as patched:
        # Somebody is written next, and takes the name along.
        patched.setattr(type(world.recorder._queue), "is_idle", property(lambda _: False))
        await world.accept(listed[0], 1)

    def broken(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(settling, "settle", broken)
        with pytest.raises(OSError, match="Input/output"):
            await world.accept(listed[1], 2, picture=2)
    assert [digest for digest, _ in await world.database.run(images.list_unlinked)] == [
        digest_of(1)
    ]
    not_kept = Judgement(Verdict.OFF_PROFILE, "not liked", accepted().evidence)
    await world.recorder.record(replace(world.finding(listed[2], 3, picture=3), judgement=not_kept))
    assert await world.database.run(images.list_unlinked) == []


async def test_a_name_that_is_kept_again_is_not_removed(world):
    """It was made for what was let go of, and is the name of what is kept again since."""
    [one] = await world.lease(1)
    await world.accept(one, 1)
    [name] = world.names()
    names = NameMaking(FileWork(world.database, world.store, StoreWait(), KeyedLock()))
    names.void([(digest_of(1), (PROFILE.name, name)), (digest_of(1), (PROFILE.name, "other.jpg"))])
    world.store.link(digest_of(1), (PROFILE.name, "other.jpg"))
    await names.withdraw()
    assert world.names() == [name]


async def test_files_that_somebody_writes_are_not_removed_meanwhile(world, monkeypatch):
    """The removal waits for whoever makes files of the same image, and looks then whether it is still owed."""
    one, two = await world.lease(2)
    files = KeyedLock()
    removal = ReplacedFileRemoval(FileWork(world.database, world.store, StoreWait(), files))
    await world.accept(one, 1)
    with monkeypatch.context() as patched:
        patched.setattr(world.recorder._removal, "remove", lambda: asyncio.sleep(0))
        await world.accept(two, 2, 2)
    removal.owe(await world.database.run(replacements.list_unremoved))
    async with files.hold(digest_of(1)):
        removing = asyncio.create_task(removal.remove())
        await world.database.run(lambda _: None)
        await asyncio.to_thread(lambda: None)
        assert world.store.has(digest_of(1))
        # It is kept again.
        await world.database.run(
            lambda c: c.execute(replacements.replaced_images.delete()).rowcount
        )
    await removing
    assert world.store.has(digest_of(1))
