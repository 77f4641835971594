from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest

from services.crawler.listing import Listing
from services.crawler.receivers.receiver_client import ReceiverClient, receiver_url
from services.crawler.sinks.scenery_sink import ScenerySink, source_url_of, tags_of
from services.crawler.sinks.sink import DeliveryFailed, FailureKind
from tests.crawler.sinks.deliveries import JPEG, delivery, removal_of
from tests.faithful.receiver_server import CUT_AFTER, CUT_BEFORE, Says
from tests.faithful.scenery_server import PASSWORD, SceneryServer


@asynccontextmanager
async def gallery(told=PASSWORD, answer_s=5.0, **server):
    """A running gallery, and a sink that imports into it."""
    async with SceneryServer(**server) as scenery, ReceiverClient("tests") as client:
        url = receiver_url(scenery.origin, path="/import_image")
        yield scenery, ScenerySink("gallery", client, url, told, answer_s=answer_s)


async def failure_of(sink, one=None):
    with pytest.raises(DeliveryFailed) as raised:
        await sink.deliver(one or delivery())
    return raised.value.kind, str(raised.value)


async def test_an_image_is_imported_as_the_contract_says():
    """File, page, tags as a JSON array with the author, and the password."""
    async with gallery() as (scenery, sink):
        assert await sink.deliver(delivery()) == "Success! Image id = 1"
    [image] = scenery.imported
    assert image.digest == delivery().image.digest
    assert image.source_url == "https://reddit.com/1"
    assert image.tags == ("from_lodestone", "profile:landscapes", "artist:Ann")
    assert image.file_name == "2026-11-26_lake_1f3a9c21.jpg"


async def test_what_the_gallery_has_is_delivered():
    """The same bytes again, a similar picture, and one that it stored although it says that it cannot do something."""
    async with gallery() as (scenery, sink):
        await sink.deliver(delivery())
        assert (await sink.deliver(delivery())).startswith("Image with the same sha256")
        other = delivery(JPEG + b"2")
        scenery.similar[other.image.digest] = 1
        assert "Image ids = [1]" in await sink.deliver(other)
        scenery.fails_features = True
        assert (await sink.deliver(delivery(JPEG + b"3"))).startswith("Can't calculate_all")
    assert [image.image_id for image in scenery.imported] == [1, 2]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Can't generate thumbnail", FailureKind.REJECTED),
        ("fail", FailureKind.REJECTED),
        ("Something new", FailureKind.REJECTED),
        ("Not supported mime type", FailureKind.REFUSED),
    ],
)
async def test_what_it_says_in_an_answer_of_200(message, kind):
    """Only the text tells a failure from a success."""
    async with gallery() as (scenery, sink):
        scenery.messages.append(message)
        assert await failure_of(sink) == (kind, f"it says: {message}")
        assert scenery.imported == []


@pytest.mark.parametrize("server", [PASSWORD, ""])
async def test_a_wrong_password_is_silence(server):
    """It answers nothing, and nothing if its own is empty: the sink waits, and says what may be wrong."""
    async with gallery("wrong", answer_s=0.2, password=server) as (scenery, sink):
        kind, message = await failure_of(sink)
    assert kind is FailureKind.BROKEN
    assert "does not answer a wrong password" in message
    assert "wrong." not in message
    assert scenery.imported == []


@pytest.mark.parametrize(
    ("fault", "kind", "is_stored"),
    [
        (CUT_BEFORE, FailureKind.BROKEN, False),
        (CUT_AFTER, FailureKind.BROKEN, True),
        (Says(500, "oops"), FailureKind.BROKEN, False),
        (Says(200, "<html>"), FailureKind.BROKEN, False),
        (Says(200, '{"message": 1}'), FailureKind.BROKEN, False),
        (Says(200, "[]"), FailureKind.BROKEN, False),
        (Says(503, "", "7"), FailureKind.AWAY, False),
        (Says(429), FailureKind.AWAY, False),
        (Says(422, "bad url"), FailureKind.REJECTED, False),
        (Says(302), FailureKind.REJECTED, False),
    ],
)
async def test_faults_are_told_apart_and_done_again(fault, kind, is_stored):
    """Whatever it was, the next try ends with the image in the gallery, once."""
    async with gallery() as (scenery, sink):
        scenery.faults.append(fault)
        found, _ = await failure_of(sink)
        assert (found, len(scenery.imported)) == (kind, int(is_stored))
        await sink.deliver(delivery())
        assert len(scenery.imported) == 1


async def test_nobody_there_is_away():
    """No connection: nothing was asked."""
    async with gallery() as (scenery, sink):
        await scenery.__aexit__()
        kind, message = await failure_of(sink)
        assert kind is FailureKind.AWAY
        assert f"127.0.0.1:{scenery.port}" in message
        await scenery.__aenter__()


async def test_it_takes_jpeg_and_png_alone():
    """Anything else is refused without being sent."""
    async with gallery() as (scenery, sink):
        kind, message = await failure_of(sink, delivery(form="WEBP"))
        assert kind is FailureKind.REFUSED
        assert "WEBP" in message
        assert scenery.request_count == 0


async def test_a_password_that_is_repeated_is_not_shown():
    """Neither in what it says nor in an error page."""
    async with gallery() as (scenery, sink):
        scenery.messages.append(f"fail {PASSWORD}")
        scenery.faults.extend([None, Says(400, f"wrong {PASSWORD}")])
        for _ in range(2):
            assert PASSWORD not in (await failure_of(sink))[1]


async def test_a_purge_is_a_persons_work():
    """Scenery has no way to remove an image: the note says which one it is there."""
    async with gallery() as (_, sink):
        with pytest.raises(DeliveryFailed, match="by hand .*Image id = 7") as raised:
            await sink.remove(removal_of(delivery(), "Success! Image id = 7"))
    assert raised.value.kind is FailureKind.REFUSED


async def test_what_was_replaced_may_stay():
    """It is not worth a person's work."""
    async with gallery() as (_, sink):
        note = await sink.remove(removal_of(delivery(), replaced_by="b" * 64))
    assert "beside bbbbbbbbbbbb" in note


@pytest.mark.parametrize("author", ["", "é" * 600, "x" * 2_000, "Ann \n Other"])
def test_tags_are_whole_json_of_at_most_1000_bytes(author):
    """An author who does not fit is left out; a cut text would be no JSON."""
    text = tags_of(delivery(listing=Listing("s", "https://h/1", author=author)))
    assert len(text.encode()) <= 1_000
    tags = json.loads(text)
    assert tags[:2] == ["from_lodestone", "profile:landscapes"]
    assert tags[2:] == (["artist:Ann Other"] if "Ann" in author else [])


@pytest.mark.parametrize(
    ("url", "page_url", "source_url"),
    [
        ("https://h/1.jpg", "https://h/page", "https://h/page"),
        ("https://h/1.jpg", "", "https://h/1.jpg"),
        ("https://h/1.jpg", "https://h/" + "p" * 1_000, "https://h/1.jpg"),
        ("file:///home/me/1.jpg", "", ""),
    ],
)
def test_where_it_came_from(url, page_url, source_url):
    """The page, else the address; a local path is told to nobody."""
    assert source_url_of(delivery(listing=Listing("s", url, page_url=page_url))) == source_url
