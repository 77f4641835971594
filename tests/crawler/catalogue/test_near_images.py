"""What a person said of an image, and what still counts against it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from services.crawler.catalogue import distinct_pairs, images
from services.crawler.catalogue.near_images import find_contradicted
from services.crawler.catalogue.near_reading import NearReading
from services.crawler.gates.duplicate import DuplicateGate
from services.crawler.gates.gate import Subject
from services.crawler.judgement import Evidence, Verdict
from tests.crawler.store.replacing_world import PROFILE, Copies, digest_of

OTHER = "e" * 64


@pytest.fixture
async def world(tmp_path, place):
    world = Copies(tmp_path, place)
    await world.begin()
    yield world
    await world.close()


@pytest.fixture
async def liked(world):
    """A finding whose bytes are marked, which is no duplicate of some other image, and is near a kept one."""
    kept, listed = await world.lease(2)
    await world.accept(kept, 1)
    finding = world.finding(listed, 2, bits=3)
    marked = digest_of(2), finding.candidate.decoded.fingerprint
    await world.database.run(lambda c: images.mark_seen(c, PROFILE.name, *marked))
    world.seen.mark(PROFILE.name, *marked)
    say = partial(distinct_pairs.add_pair, one=digest_of(2), other=OTHER, now=5.0)
    await world.database.run(say)
    return finding


async def test_a_word_about_a_marked_image_does_not_end_its_mark(world, liked):
    """Its own bytes come to the accept: it is seen before, and what it is near is not forgotten."""
    await world.recorder.record(liked)
    judged = await world.judgement(2)
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(2))
    assert await world.kept() == [digest_of(1)]


async def test_the_gates_see_the_mark_and_what_they_say_is_written(world, liked):
    """No word contradicts that an image is seen before."""
    reading = NearReading(world.database, world.seen).read
    gate = DuplicateGate(world.seen, reading, profile_name=PROFILE.name)
    candidate = liked.candidate
    subject = Subject(candidate.digest, candidate.decoded, Evidence(), candidate.encoded)
    judged = await gate.judge(subject)
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(2))
    await world.recorder.record(replace(liked, judgement=judged))
    assert (await world.judgement(2)).duplicate_of == digest_of(2)


async def test_a_word_about_what_replaced_a_marked_image_brings_it_back(world):
    """Its place is that of the better copy, which it is distinct from: the mark does not stand in the way."""
    one, better = await world.lease(2)
    await world.accept(one, 1)
    finding = world.finding(one, 1)
    marked = digest_of(1), finding.candidate.decoded.fingerprint
    await world.database.run(lambda c: images.mark_seen(c, PROFILE.name, *marked))
    world.seen.mark(PROFILE.name, *marked)
    await world.accept(better, 2, 2, bits=3)
    assert await world.kept() == [digest_of(2)]
    say = partial(distinct_pairs.add_pair, one=digest_of(1), other=digest_of(2), now=5.0)
    await world.database.run(say)
    look = partial(world.seen.sightings, PROFILE.name, digest_of(1), finding.candidate.decoded)
    near = await NearReading(world.database, world.seen).read(digest_of(1), look, with_facts=True)
    assert near.sightings == ()
    itself = {(digest_of(1), digest_of(1))}
    assert await world.database.run(lambda c: find_contradicted(c, itself)) == itself


async def test_a_word_ends_what_was_said_of_the_two(world, liked):
    """And of nothing else."""
    pairs = {(digest_of(2), other) for other in (digest_of(1), digest_of(2), OTHER)}
    found = await world.database.run(lambda c: find_contradicted(c, pairs))
    assert found == {(liked.candidate.digest, OTHER)}
