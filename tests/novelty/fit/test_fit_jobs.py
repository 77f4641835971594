from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
import structlog

from services.novelty.fit.fit_jobs import FitJobs
from services.novelty.fit.refit import NotInProfile
from services.novelty.liked_images import ImageLabel, Learned, LikedImages, NoLikedImages
from services.novelty.stored.addition_store import AdditionStore
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.profile_store import ProfileStore
from services.novelty.stored.thumbnail_files import CARRIED
from services.servicekit.errors import InvalidInput, NotFound, Overloaded, Unavailable
from tests.novelty.tastes import liked_images, options, submission, taste, unit_rows
from tests.novelty.thumbnail_samples import thumbnails

SENT = submission()


def learned():
    return Learned(taste(), liked_images())


@pytest.fixture(autouse=True)
def logs():
    with structlog.testing.capture_logs() as entries:
        yield entries


class Gate:
    """A fit that waits until it is let through, or stopped."""

    def __init__(self):
        self.started = threading.Event()
        self.open = threading.Event()
        self.fits = []

    def __call__(self, liked_set, options, *, stopped):
        self.started.set()
        while not self.open.wait(0.001):
            if stopped():
                raise Unavailable("this server", "it is shutting down")
        self.fits.append(options.request_id)
        return learned()


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
async def jobs(tmp_path, gate):
    store = ProfileStore(tmp_path / "profiles", libraries={})
    running = FitJobs(store, gate, limit=2, max_liked=1000)
    yield running
    await running.close()


async def started(gate):
    assert await asyncio.to_thread(gate.started.wait, 10)


async def test_a_fit_is_stored(jobs, gate):
    """The profile comes back with its version."""
    gate.open.set()
    assert str(await jobs.run(SENT, options())) == "landscapes@1"
    assert str(await jobs.run(SENT, options(request_id="two"))) == "landscapes@2"


async def test_the_same_request_is_fitted_once(jobs, gate):
    """While it runs and afterwards, the same id brings the same profile."""
    first, second = (asyncio.create_task(jobs.run(SENT, options())) for _ in range(2))
    await started(gate)
    gate.open.set()
    assert await first is await second
    assert str(await jobs.run(SENT, options())) == str(await first)
    assert gate.fits == ["request-1"]


async def test_a_fit_goes_on_without_its_caller(jobs, gate):
    """A client that went away and sends the request again gets the profile of the first one."""
    first = asyncio.create_task(jobs.run(SENT, options()))
    await started(gate)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.open.set()
    assert str(await jobs.run(SENT, options())) == "landscapes@1"
    assert gate.fits == ["request-1"]


async def test_too_many_fits(jobs, gate):
    """The one at work and the one that waits are all; a third is told to come again."""
    waiting = [asyncio.create_task(jobs.run(SENT, options(request_id=name))) for name in "ab"]
    await started(gate)
    with pytest.raises(Overloaded, match=r"the fit queue is full \(2 items\)"):
        await jobs.run(SENT, options(request_id="c"))
    gate.open.set()
    assert [str(await task) for task in waiting] == ["landscapes@1", "landscapes@2"]
    assert str(await jobs.run(SENT, options(request_id="c"))) == "landscapes@3"


async def test_a_fit_that_fails_can_be_tried_again(tmp_path, logs):
    """The error reaches the caller and the log, and the id is free again."""

    def fit(liked_set, options, *, stopped):
        raise InvalidInput(f"bad {len(logs)}")

    jobs = FitJobs(ProfileStore(tmp_path, libraries={}), fit, limit=1, max_liked=1000)
    for number in range(2):
        with pytest.raises(InvalidInput, match=f"bad {number}"):
            await jobs.run(SENT, options())
    assert [entry["event"] for entry in logs] == ["fit_failed", "fit_failed"]
    await jobs.close()


async def test_closing_stops_what_runs_and_what_waits(tmp_path, gate):
    """Nothing is stored, and the callers learn why."""
    store = ProfileStore(tmp_path / "profiles", libraries={})
    jobs = FitJobs(store, gate, limit=2, max_liked=1000)
    waiting = [asyncio.create_task(jobs.run(SENT, options(request_id=name))) for name in "ab"]
    await started(gate)
    async with asyncio.timeout(30):
        await jobs.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert store.names() == []


class Learning:
    """A fit that remembers what it was given, and gives all of that back as what it learned from."""

    def __init__(self):
        self.given = []

    def __call__(self, liked_set, options, *, stopped):
        self.given.append((liked_set, options))
        count = len(liked_set.liked)
        liked = LikedImages(
            embeddings=liked_set.liked,
            background=liked_set.background,
            labels=liked_set.labels,
            held_out_log_likelihoods=(0.5,) * count,
            originals=(None,) * count,
        )
        counts = {"liked_count": count, "background_count": len(liked_set.background)}
        return Learned(taste(duplicate_count=0, asked_component_count=2, **counts), liked)


@pytest.fixture
def learning():
    return Learning()


@pytest.fixture
async def refits(tmp_path, learning):
    store = ProfileStore(tmp_path / "profiles", libraries={})
    running = FitJobs(store, learning, limit=2, max_liked=1000)
    labels = [ImageLabel(f"{number:064x}") for number in range(12)]
    await running.run(submission(unit_rows(12, 4), labels=labels), options())
    yield running, store
    await running.close()


def again(base, **changes):
    return options(**({"request_id": "again", "base_profile": base} | changes))


def without(*numbers):
    removed = [(ImageLabel(f"{number:064x}"), None) for number in numbers]
    return submission(np.empty((0, 4), np.float32), removed=removed)


@pytest.mark.parametrize("base", ["landscapes", "landscapes@1"])
async def test_a_refit_begins_with_another_version(refits, learning, base):
    """Its images less what is removed, its options where none are set; the new version says where it came from."""
    jobs, store = refits
    profile = await jobs.run(without(3, 4), again(base, component_count=1))
    assert (str(profile), profile.base_profile) == ("landscapes@2", "landscapes@1")
    liked_set, asked = learning.given[-1]
    assert (len(liked_set.liked), asked.component_count, asked.keep_ratio) == (10, 1, 0.95)
    kept = store.liked_images("landscapes", 2)
    assert [int(label.digest, 16) for label in kept.labels] == [0, 1, 2, *range(5, 12)]
    await jobs.run(without(), again(base, request_id="third"))
    assert learning.given[-1][1].component_count == 2


async def test_a_refit_under_another_name(refits):
    """The base stays what it is."""
    jobs, store = refits
    profile = await jobs.run(without(3), again("landscapes", name="woods"))
    assert (str(profile), profile.base_profile) == ("woods@1", "landscapes@1")
    assert len(store.liked_images("landscapes", 1)) == 12


async def test_a_refit_is_made_once(refits, learning):
    """Sent again, it finds its profile, though what it removes is gone from the newest version, or its base is."""
    jobs, store = refits
    first = await jobs.run(without(3), again("landscapes"))
    assert str(await jobs.run(without(3), again("landscapes"))) == str(first)
    store.delete("landscapes", 1)
    assert str(await jobs.run(without(3), again("landscapes@1"))) == str(first)
    assert len(learning.given) == 2


async def test_refits_that_cannot_be(refits, learning, tmp_path):
    """No such version, nothing such to remove, one whose liked images are damaged, and one that kept none."""
    jobs, store = refits
    with pytest.raises(NotFound, match="there is no profile 'birds'"):
        await jobs.run(without(), again("birds"))
    with pytest.raises(NotFound, match="there is no profile 'landscapes@2'"):
        await jobs.run(without(), again("landscapes@2"))
    with pytest.raises(NotInProfile, match=r"^removed\[0\]: 0+63 is not among the images"):
        await jobs.run(without(99), again("landscapes"))
    (tmp_path / "profiles" / "landscapes" / "1" / "liked.npy").write_bytes(b"")
    with pytest.raises(ProfileDamaged, match=r"landscapes@1 is damaged: liked\.npy has"):
        await jobs.run(without(), again("landscapes"))
    store.save(taste(), name="old", request_id="old")
    with pytest.raises(NoLikedImages, match="old@1 was fitted before"):
        await jobs.run(without(), again("old"))
    assert len(learning.given) == 1


async def test_a_refit_carries_thumbnails_over(refits, tmp_path, logs):
    """Those of the images that stay, under their new positions; damaged ones are left, and that is said."""
    jobs, store = refits
    additions = AdditionStore(store)
    additions.put_thumbnails(store.load("landscapes", 1), thumbnails([0, 7, 9]))
    second = await jobs.run(without(3, 7), again("landscapes"))
    assert second.additions.thumbnail_count == 2
    assert [one.position for one in additions.thumbnails(second)] == [0, 7]
    (tmp_path / "profiles" / "landscapes" / "2" / CARRIED / "7.jpg").unlink()
    third = await jobs.run(without(), again("landscapes", request_id="third"))
    assert (str(third), third.additions.thumbnail_count) == ("landscapes@3", 0)
    assert [entry["event"] for entry in logs].count("thumbnails_not_carried_over") == 1
