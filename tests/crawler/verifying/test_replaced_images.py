"""What a check says of images that better copies replaced, and what a repair does about it."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter

import pytest
from sqlalchemy import delete, insert, select, update

from services.crawler.catalogue.schema import distinct_pairs, judgements, replaced_images
from services.crawler.catalogue.schema import images as images_table
from services.crawler.judgement import Verdict
from services.crawler.verifying.__main__ import main
from tests.crawler.store.replacing_world import Copies, digest_of, encoded


@pytest.fixture
async def world(tmp_path):
    """One image that a better copy replaced."""
    world = Copies(tmp_path, tmp_path / "catalog.sqlite")
    await world.begin()
    one, two = await world.lease(2)
    await world.accept(one, 1)
    world.old_name = world.names()[0]
    await world.accept(two, 2, 2, bits=3)
    yield world
    await world.close()


async def change(world, statement):
    await world.database.run(lambda connection: connection.execute(statement).rowcount)


async def kinds(world):
    return Counter(kind for kind, _ in await asyncio.to_thread(world.problems))


def leave_files(world):
    """As a crash would."""
    blob = world.store.path(digest_of(1))
    blob.write_bytes(encoded(1))
    blob.with_suffix(".json").write_text("{}")
    (world.folder / "kept" / "landscapes" / world.old_name).write_bytes(encoded(1))


async def test_files_that_are_still_owed_are_no_strangers(world):
    """They are told of by their image, once, when it was replaced long ago."""
    leave_files(world)
    await change(world, update(replaced_images).values(files_removed=False))
    assert await kinds(world) == {"REPLACEMENT_UNFINISHED": 1}
    assert await asyncio.to_thread(lambda: world.problems(grace_s=3600.0)) == []


async def test_files_that_came_back_are_told_of_and_removed(world):
    """A repair removes them, as the better copy is there; a second check finds nothing."""
    leave_files(world)
    assert await kinds(world) == {"ORPHAN": 2, "REPLACEMENT_UNFINISHED": 1}
    await world.close()
    status = await asyncio.to_thread(main, [f"--data={world.folder}", "--grace=0", "--repair"])
    assert status == 0
    assert await kinds(world) == {}
    assert not world.store.has(digest_of(1))
    assert world.store.has(digest_of(2))
    assert len(world.names()) == 1
    assert not (world.folder / "set-aside").exists()


async def test_an_unfinished_removal_is_finished(world):
    """By a repair, where no crawler starts any more."""
    leave_files(world)
    await change(world, update(replaced_images).values(files_removed=False))
    await world.close()
    status = await asyncio.to_thread(main, [f"--data={world.folder}", "--grace=0", "--repair"])
    assert status == 0
    assert await kinds(world) == {}


async def test_what_was_replaced_and_is_kept_is_a_problem(world):
    """Both are there: whoever wrote that did not go by the order of accepts."""
    row = await world.database.run(lambda c: c.execute(select(images_table)).mappings().one())
    again = {**row, "digest": digest_of(1), "sequence": row["sequence"] + 1}
    await change(world, insert(images_table).values(**again))
    found = await kinds(world)
    assert found["REPLACEMENT_BROKEN"] == 1
    assert found["KEPT_NOT_ACCEPTED"] == 1


async def test_a_replacement_without_a_row_is_a_problem(world):
    """Its judgement names what nobody knows of; what it was a copy of is found near it no more."""
    await change(world, delete(replaced_images))
    assert await kinds(world) == {"REPLACEMENT_BROKEN": 1}


async def test_a_copy_of_what_something_else_replaced_is_a_duplicate(world):
    """It is near the replaced one, and not in its place; unless a person said that they are distinct."""
    stranger = "f" * 64
    await change(world, update(replaced_images).values(replaced_by_digest=stranger))
    values = {"verdict": Verdict.DUPLICATE.value, "duplicate_of_digest": digest_of(2)}
    await change(
        world, update(judgements).where(judgements.c.digest == digest_of(1)).values(**values)
    )
    assert await kinds(world) == {"DUPLICATE_KEPT": 1}
    first, second = sorted((digest_of(1), digest_of(2)))
    pair = {"first_digest": first, "second_digest": second, "create_time": 1.0}
    await change(world, insert(distinct_pairs).values(**pair))
    assert await kinds(world) == {}


async def test_a_young_leftover_may_be_on_its_way(world):
    """A crawler may just be about to remove it."""
    leave_files(world)
    os.utime(world.store.path(digest_of(1)), (time.time(),) * 2)
    found = await asyncio.to_thread(lambda: world.problems(grace_s=3600.0))
    assert {kind for kind, _ in found} <= {"REPLACEMENT_UNFINISHED"}
