from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from services.crawler.gates.gallery import GalleryMatch
from services.crawler.receivers.gallery_search import (
    GallerySearch,
    SearchBlind,
    SearchTimes,
    read_matches,
)
from services.crawler.receivers.receiver_client import Answer, ReceiverClient, receiver_url
from services.servicekit.errors import Unavailable
from tests.faithful.ambience_server import AmbienceServer
from tests.faithful.receiver_server import CUT_BEFORE, Says

CANARY, KNOWN, NEW = b"the canary", b"a picture that it has", b"a new one"
TIMES = SearchTimes(answer_s=2.0, first_s=0.01, last_s=0.02, patience_s=0.3)


@asynccontextmanager
async def searching(times=TIMES):
    """A gallery with two pictures, and what looks into it."""
    async with AmbienceServer() as gallery, ReceiverClient("tests") as client:
        gallery.has(CANARY, image_id=1)
        gallery.has(KNOWN, image_id=7, distance=12)
        gallery.has(KNOWN, image_id=8, distance=3)
        url = receiver_url(gallery.origin, path="/reverse_search")
        yield gallery, GallerySearch(client, url, CANARY, times)


def digests(*contents):
    return [hashlib.sha256(one).hexdigest() for one in contents]


async def test_the_nearest_picture_is_found():
    """One that is there needs no second proof."""
    async with searching() as (gallery, search):
        assert await search.find(KNOWN) == GalleryMatch(8, 3.0)
        assert gallery.looked_up == digests(CANARY, KNOWN)


async def test_nothing_found_counts_between_two_sights_of_the_canary():
    """Before and after; the one after serves as the next one's before."""
    async with searching() as (gallery, search):
        assert await search.find(NEW) is None
        assert await search.find(NEW) is None
        assert gallery.looked_up == digests(CANARY, NEW, CANARY, NEW, CANARY)


async def test_a_helper_that_is_down_is_no_answer():
    """The trap: ambience says `{}` of everything. From the start, or from between the canary and the picture."""
    async with searching() as (gallery, search):
        gallery.helper_is_down = True
        with capture_logs() as logs, pytest.raises(Unavailable, match="canary"):
            await search.find(NEW)
        assert digests(NEW)[0] not in gallery.looked_up
        assert [one["event"] for one in logs] == ["gallery_away"], "a line a minute"
        gallery.helper_is_down = False
        assert await search.find(NEW) is None
        gallery.helper_is_down = True
        with pytest.raises(Unavailable, match="canary"):
            await search.find(NEW)


async def test_it_goes_on_when_the_helper_is_back():
    """The image waits meanwhile."""
    async with searching(SearchTimes(first_s=0.01, last_s=0.02, patience_s=30.0)) as (
        gallery,
        search,
    ):
        gallery.helper_is_down = True
        task = asyncio.create_task(search.find(NEW))
        while gallery.request_count < 3:
            await asyncio.sleep(0.005)
        assert not task.done()
        gallery.helper_is_down = False
        assert await task is None


async def test_images_that_wait_at_the_same_time_share_the_proof():
    """Thirty look-ups cost a few sights of the canary more, not thirty."""
    async with searching() as (gallery, search):
        found = await asyncio.gather(*(search.find(NEW) for _ in range(30)))
        assert found == [None] * 30
        assert gallery.looked_up.count(digests(NEW)[0]) == 30
        assert gallery.looked_up.count(digests(CANARY)[0]) < 20
        assert gallery.busiest <= 4


@pytest.mark.parametrize(
    "fault",
    [
        *(Says(status) for status in (204, 302, 400, 404, 500, 503)),
        *(Says(200, text) for text in ("", "oops", "[]", '{"error": 1}', '{"duplicate": []}')),
        CUT_BEFORE,
    ],
)
async def test_whatever_else_it_answers_is_no_answer(fault):
    """An error, a cut connection, no JSON, another shape: never "nothing found"."""
    async with searching() as (gallery, search):
        await search.find(NEW)
        gallery.faults.extend([fault] * 1_000)
        with pytest.raises(Unavailable):
            await search.find(NEW)
        gallery.faults.clear()
        assert await search.find(KNOWN) == GalleryMatch(8, 3.0)


async def test_nobody_there():
    """A gallery that is down."""
    async with searching() as (gallery, search):
        await gallery.__aexit__()
        with pytest.raises(Unavailable, match="no connection"):
            await search.find(NEW)
        await gallery.__aenter__()


@pytest.mark.parametrize(
    "found",
    [
        [],
        None,
        "{}",
        {"duplicate": None},
        {"duplicate": {}},
        {"duplicate": []},
        {"duplicate": [1]},
        {"duplicate": [{"image_id": 1}]},
        {"duplicate": [{"image_id": "1", "distance": 2}]},
        {"duplicate": [{"image_id": True, "distance": 2}]},
        {"duplicate": [{"image_id": 1, "distance": "2"}]},
        {"duplicate": [{"image_id": 1, "distance": float("nan")}]},
        {"phash_res": [], "unified_res": []},
    ],
)
def test_only_the_contracts_shapes_are_read(found):
    """`{}`, or a list of numbers and distances."""
    with pytest.raises(SearchBlind):
        read_matches(Answer(200, json.dumps(found).encode(), None))
