from __future__ import annotations

import asyncio
import sys
import threading

import numpy as np
import pytest

from lodestone.image.v1 import image_pb2
from services.servicekit import image_queue
from services.servicekit.errors import (
    ComputationStuck,
    InvalidInput,
    ItemRejected,
    Overloaded,
    Unavailable,
)
from services.servicekit.image_queue import ImageQueue
from services.servicekit.image_settings import ImageSettings
from services.servicekit.messages import rgb_to_image
from services.servicekit.metrics import new_registry
from services.servicekit.rejection import RejectionCode
from services.servicekit.resize import InputShape
from services.servicekit.streams import answer_stream
from tests.fakes.serving import settings_for_tests

SHAPE = InputShape(8, 4)
NOTHING = image_pb2.Image()


def level(value):
    """An image of one grey level, of a size that the network does not take."""
    return rgb_to_image(np.full((16, 32, 3), value, np.uint8))


def write(outcome):
    return "rejected" if isinstance(outcome, ItemRejected) else outcome.value


class Levels:
    """Computes mean levels, once it is let through."""

    def __init__(self):
        self.open = threading.Event()
        self.started = threading.Event()
        self.open.set()
        self.shapes = set()

    def __call__(self, inputs):
        self.started.set()
        assert self.open.wait(10)
        self.shapes.add(inputs.shape[1:])
        return [int(one.mean()) for one in inputs]


@pytest.fixture
def levels():
    return Levels()


@pytest.fixture
async def queue(levels):
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=2)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=new_registry())
    yield images
    levels.open.set()
    await images.close()


async def test_images_are_answered_in_their_order(queue, levels):
    """Brought to the network's size; one that cannot be read is answered in its place."""
    images = [level(10), NOTHING, level(30)]
    assert await queue.answer_all(images, write) == [10, "rejected", 30]
    assert await queue.answer_one("x" * 128, level(20), write) == 20
    assert await queue.answer_one("", NOTHING, write) == "rejected"
    assert levels.shapes == {(4, 8, 3)}


async def test_what_becomes_of_images_is_counted(levels):
    """Computed, rejected with the reason, or failed; how long they were decoded and took; how many wait."""
    registry = new_registry()
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=1)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=registry)
    await images.answer_all([level(10), NOTHING, level(30)], write)
    levels.open.clear()
    levels.started.clear()
    gone = asyncio.create_task(images.answer_one("a", level(1), write))
    await asyncio.to_thread(levels.started.wait, 10)
    gone.cancel()
    levels.open.set()
    await asyncio.gather(gone, return_exceptions=True)
    await images.close()

    def counted(outcome):
        return registry.get_sample_value("lodestone_test_images_total", {"outcome": outcome})

    assert (counted("computed"), counted("failed")) == (2, 1)
    assert counted("unsupported_format") == 1
    assert registry.get_sample_value("lodestone_test_decode_seconds_count") == 3
    assert registry.get_sample_value("lodestone_test_image_seconds_count") == 2
    assert registry.get_sample_value("lodestone_test_queue_depth") == 0


async def all_waiting(images, count):
    """So many images of streams have a place in the queue, or are computed."""
    async with asyncio.timeout(20):
        while len(images._batcher._queue) < count:
            await asyncio.sleep(0.01)


async def test_the_wait_for_a_thread_that_decodes_is_counted(levels, monkeypatch):
    """From an image's arrival to the start of its decoding; one that is rejected has waited, too."""
    registry = new_registry()
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=1)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=registry)
    decode = image_queue.open_message
    held, entered = threading.Event(), threading.Event()

    def waited(kind):
        return registry.get_sample_value(f"lodestone_test_decode_wait_seconds_{kind}")

    def decode_when_let(*arguments):
        entered.set()
        assert held.wait(10)
        return decode(*arguments)

    monkeypatch.setattr(image_queue, "open_message", decode_when_let)
    call = asyncio.create_task(images.answer_all([level(1), NOTHING], write))
    await asyncio.to_thread(entered.wait, 10)
    assert waited("count") == 1
    first_s = waited("sum")
    await asyncio.sleep(0.1)
    held.set()
    assert await call == [1, "rejected"]
    await images.close()

    assert waited("count") == 2
    assert waited("sum") - first_s >= 0.1


async def test_a_call_that_goes_lets_go_of_its_images(levels, monkeypatch):
    """Also of those that wait for a thread: they are no longer counted, so nobody may hold them."""
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=1)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=new_registry())
    decode = image_queue.open_message
    held, entered = threading.Event(), threading.Event()

    def decode_when_let(*arguments):
        entered.set()
        assert held.wait(10)
        return decode(*arguments)

    monkeypatch.setattr(image_queue, "open_message", decode_when_let)
    at_work = asyncio.create_task(images.answer_all([level(1), level(2)], write))
    await asyncio.to_thread(entered.wait, 10)
    sent = [level(number) for number in range(32)]
    unheld = sys.getrefcount(sent[0])
    call = asyncio.create_task(images.answer_all(sent, write))
    for _ in range(5):
        await asyncio.sleep(0)
    assert sys.getrefcount(sent[31]) > unheld
    call.cancel()
    await asyncio.wait((call,))
    del call

    assert [sys.getrefcount(sent[place]) - unheld for place in range(32)] == [0] * 32
    held.set()
    assert await at_work == [1, 2]
    await images.close()


async def test_streams_leave_room_for_calls(levels):
    """However many images they send; a call that comes meanwhile is answered, and none is refused."""
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=2, max_batch=4)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=new_registry())
    levels.open.clear()

    async def requests():
        for number in range(200):
            yield number

    async def answer(number):
        return await images.answer_one(str(number), level(number), write)

    async def stream():
        answers = answer_stream(requests(), answer, idle_s=60, shared_room=images.stream_room)
        return [answer async for answer in answers]

    streams = [asyncio.create_task(stream()) for _ in range(4)]
    # Three batches of 4 may be in the hands of the two threads.
    await all_waiting(images, 64 // 2 - 3 * 4)
    call = asyncio.create_task(images.answer_all([level(7)] * 32, write))
    await asyncio.sleep(0)
    levels.open.set()

    assert await call == [7] * 32
    for found in await asyncio.gather(*streams):
        assert sorted(found) == list(range(200))
    await images.close()


async def test_threads_that_never_come_back_from_decoding_are_noticed(queue, monkeypatch):
    """All of them; one alone leaves others that decode."""
    held = threading.Event()
    entered = threading.Semaphore(0)

    def open_for_ever(*_):
        entered.release()
        assert held.wait(20)
        raise ItemRejected(RejectionCode.CORRUPT, "at last")

    monkeypatch.setattr(image_queue, "open_message", open_for_ever)
    monkeypatch.setattr(image_queue, "_OPENING_STUCK_S", 0.0)
    first = asyncio.create_task(queue.answer_one("a", level(1), write))
    await asyncio.to_thread(entered.acquire)
    await queue.probe()

    second = asyncio.create_task(queue.answer_one("b", level(2), write))
    await asyncio.to_thread(entered.acquire)
    with pytest.raises(ComputationStuck, match="test's decoding has taken"):
        await queue.probe()

    held.set()
    assert await asyncio.gather(first, second) == ["rejected"] * 2
    await queue.probe()


def exact(value):
    """An image of one grey level, of the size that the network takes."""
    return rgb_to_image(np.full((4, 8, 3), value, np.uint8))


async def test_pixels_of_the_inputs_size_wait_for_no_thread(queue, monkeypatch):
    """There is nothing to decode or to scale; what has too few of them is rejected there and then."""
    decode = image_queue.open_message
    held, entered = threading.Event(), threading.Semaphore(0)

    def hold_others(image, limits):
        if image.pixels.height_px != 4:
            entered.release()
            assert held.wait(20)
        return decode(image, limits)

    monkeypatch.setattr(image_queue, "open_message", hold_others)
    others = [asyncio.create_task(queue.answer_one("a", level(n), write)) for n in range(8)]
    for _ in range(2):
        await asyncio.to_thread(entered.acquire)
    short = exact(1)
    short.pixels.rgb = short.pixels.rgb[:-1]

    assert await queue.answer_all([exact(30), short, exact(40)], write) == [30, "rejected", 40]

    assert not any(one.done() for one in others)
    held.set()
    assert await asyncio.gather(*others) == list(range(8))


async def test_a_refused_call_is_told_the_time_of_all_that_wait(levels):
    """Those that are not decoded yet count as well."""
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=1)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=new_registry())
    await images.answer_all([level(1)], write)
    pace_s = images._batcher.retry_after_s()
    levels.open.clear()
    waiting = asyncio.create_task(images.answer_all([level(1)] * 60, write))
    await asyncio.sleep(0)

    with pytest.raises(Overloaded) as caught:
        await images.answer_all([level(2)] * 10, write)

    assert caught.value.retry_after_s == pytest.approx(60 * pace_s)
    levels.open.set()
    assert await waiting == [1] * 60
    await images.close()


class Memory:
    """Remembers everything."""

    def __init__(self):
        self.kept = {}

    def find(self, digest):
        return self.kept.get(digest)

    def keep(self, digest, computed):
        self.kept[digest] = computed


async def test_what_a_cache_remembers_is_not_computed_again(levels):
    """Nor decoded; rejections are not remembered, and sizes are those of the image as it came."""
    registry = new_registry()
    settings = settings_for_tests(ImageSettings, decode_threads=1)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=registry)
    memory = Memory()
    images.remember(memory)
    answers = [
        await images.answer_all([level(10), NOTHING, level(20)], lambda outcome: outcome)
        for _ in range(3)
    ]
    await images.close()

    for ten, rejected, twenty in answers:
        assert (ten.value, ten.width_px, ten.height_px) == (10, 32, 16)
        assert isinstance(rejected, ItemRejected)
        assert twenty.value == 20
    assert len(memory.kept) == 2

    def counted(name, **labels):
        return registry.get_sample_value(f"lodestone_test_{name}", labels)

    assert counted("batch_size_sum") == 2
    assert counted("images_total", outcome="computed") == 2
    assert counted("images_total", outcome="cached") == 4
    assert counted("images_total", outcome="unsupported_format") == 3


async def test_requests_out_of_range(queue):
    """The number of images and the length of an id have limits."""
    for count in (0, 65):
        with pytest.raises(InvalidInput, match=f"^{count} images; a request has 1 to 64$"):
            await queue.answer_all([NOTHING] * count, write)
    with pytest.raises(InvalidInput, match="an id of 129 characters; it has at most 128"):
        await queue.answer_one("x" * 129, level(1), write)


async def test_images_that_find_a_full_queue_are_counted(levels):
    """All of a call that is over the limit; and the one for which streams have left no place."""
    registry = new_registry()
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=1, max_batch=1)
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=registry)

    def refused():
        return registry.get_sample_value("lodestone_test_images_total", {"outcome": "refused"})

    levels.open.clear()
    waiting = asyncio.create_task(images.answer_all([level(1)] * 60, write))
    await asyncio.to_thread(levels.started.wait, 10)
    with pytest.raises(Overloaded) as caught:
        await images.answer_all([level(2)] * 10, write)
    assert (caught.value.limit, caught.value.unit) == (64, "items")
    assert refused() == 10
    streamed = [asyncio.create_task(images.answer_one("", level(3), write)) for _ in range(10)]
    await all_waiting(images, 64)
    with pytest.raises(Overloaded):
        await images.answer_all([level(2)], write)
    assert refused() == 11

    levels.open.set()
    assert await waiting == [1] * 60
    assert await asyncio.gather(*streamed) == [3] * 10
    await images.close()


async def test_too_many_images_of_unary_calls(queue, levels):
    """What waits undecoded counts too; once answered there is room again."""
    levels.open.clear()
    waiting = asyncio.create_task(queue.answer_all([level(1)] * 64, write))
    assert await asyncio.to_thread(levels.started.wait, 10)
    with pytest.raises(Overloaded, match=r"the test queue is full \(64 items\)"):
        await queue.answer_all([level(2)], write)
    levels.open.set()
    assert await waiting == [1] * 64
    assert await queue.answer_all([level(2)], write) == [2]


async def test_the_probe_computes_and_nothing_does_after_closing(queue, levels):
    """One black image of the network's size."""
    await queue.probe()
    assert levels.shapes == {(4, 8, 3)}
    await queue.close()
    with pytest.raises(Unavailable):
        await queue.probe()


async def test_calls_of_too_many_bytes_are_refused(levels):
    """While others wait; a call alone is computed, whatever its size."""
    settings = settings_for_tests(ImageSettings, queue_limit=64, decode_threads=1)
    settings = settings.model_copy(update={"queue_bytes": 4_000})
    images = ImageQueue(levels, SHAPE, name="test", settings=settings, registry=new_registry())
    levels.open.clear()
    large = asyncio.create_task(images.answer_all([level(1)] * 5, write))
    await asyncio.to_thread(levels.started.wait, 10)

    with pytest.raises(Overloaded, match=r"the test queue is full \(4,000 bytes\)") as caught:
        await images.answer_all([level(2)], write)

    assert (caught.value.limit, caught.value.unit) == (4_000, "bytes")
    levels.open.set()
    assert await large == [1] * 5
    assert await images.answer_all([level(2)], write) == [2]
    await images.close()
