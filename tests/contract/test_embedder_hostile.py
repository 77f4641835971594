from __future__ import annotations

import asyncio
import contextlib

import grpc
import numpy as np
import pytest
import structlog

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from lodestone.image.v1 import image_pb2, rejection_pb2
from services.embedder.__main__ import define
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.servicekit.messages import rgb_to_image
from tests.fakes import image_files as files
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder
from tests.fakes.ports import free_port
from tests.fakes.serving import serving, settings_for_tests

Code = grpc.StatusCode
SIDE_PX = 64
BATCH = 4
# Images that one stream has in the works at most; here also all streams together.
STREAM = 64
HUGE = image_pb2.Image(encoded=bytes(100_000_000))


class Service:
    """A running embedder around the fake network, and what it counts."""

    def __init__(self, channel, registry, backend, address):
        self.stub = EmbedderServiceStub(channel)
        self._expected = FakeBackend(backend.dimension)
        self.registry = registry
        self.backend = backend
        self.address = address

    def counted(self, name, **labels):
        return self.registry.get_sample_value(f"lodestone_embedder_{name}", labels) or 0

    async def reaches(self, count, name, **labels):
        """Returns when so many are counted; no event tells of it."""
        async with asyncio.timeout(60):
            while self.counted(name, **labels) != count:
                await asyncio.sleep(0.005)

    async def held(self):
        """Returns when a batch is begun in a pause."""
        await asyncio.to_thread(self.backend.wait_until_held)

    async def require_right(self, *seeds):
        """These images have the answers that are theirs."""
        results = (await self.stub.EmbedImages(embed(*seeds))).results
        self.require_values(dict(zip(seeds, results, strict=True)))

    def require_values(self, results):
        for seed, result in results.items():
            assert result.WhichOneof("outcome") == "value", result
            [[expected]] = self._expected.run(pixels(seed)[None])
            assert np.allclose(result.value.values, expected, atol=1e-5)


@contextlib.asynccontextmanager
async def service(*, dimension=64, **changes):
    """Computes no probe once a caller can come: what the network has computed is what callers asked for."""
    backend = FakeBackend(dimension)
    backend.dimension = dimension
    encoder = Encoder(fake_encoder_folder(dimension=dimension, side_px=SIDE_PX), backend)
    changes = {"max_batch": BATCH, "stuck_s": 600, "port": free_port(), **changes}
    settings = settings_for_tests(EmbedderSettings, **changes)
    definition = define(encoder, settings)
    async with serving(definition, settings) as channel:
        backend.batch_sizes.clear()
        yield Service(channel, definition.registry, backend, settings.address)


@pytest.fixture(autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


def pixels(seed):
    """An image that the service need not scale."""
    return files.photo(SIDE_PX, SIDE_PX, seed=seed)


def embed(*seeds):
    return pb.EmbedImagesRequest(images=[rgb_to_image(pixels(seed)) for seed in seeds])


def message(seed):
    return pb.StreamEmbedImagesRequest(id=str(seed), image=rgb_to_image(pixels(seed)))


async def streamed(stub, requests):
    """The results by id, as numbers."""
    return {int(answer.id): answer.result async for answer in stub.StreamEmbedImages(requests)}


async def write_all(call, seeds):
    for seed in seeds:
        await call.write(message(seed))


async def read_all(call, count):
    answers = [await call.read() for _ in range(count)]
    return {int(answer.id): answer.result for answer in answers}


async def status_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


PACKED = [grpc.Compression.NoCompression, grpc.Compression.Gzip]


@pytest.mark.parametrize("compression", PACKED, ids=["as it is", "in gzip"])
async def test_a_request_of_100_mb_is_refused(compression):
    """Also when it is 100 KB on the way; the next one is answered."""
    request = pb.EmbedImagesRequest(images=[HUGE])
    async with service() as embedder:
        status = await status_of(embedder.stub.EmbedImages(request, compression=compression))
        await embedder.require_right(1)

    assert status.code() is Code.RESOURCE_EXHAUSTED
    assert ("ecompressed message" in status.details()) == (compression is PACKED[1])
    assert embedder.backend.batch_sizes == [1]


@pytest.mark.parametrize("compression", PACKED, ids=["as it is", "in gzip"])
async def test_a_message_of_100_mb_ends_its_stream(compression):
    """After the answers before it, and no other stream."""
    async with service() as embedder:
        other = embedder.stub.StreamEmbedImages()
        await other.write(message(1))
        call = embedder.stub.StreamEmbedImages(compression=compression)
        await call.write(message(2))
        embedder.require_values(await read_all(call, 1))
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await call.write(pb.StreamEmbedImagesRequest(id="huge", image=HUGE))
        status = await status_of(call.read())
        await other.write(message(3))
        embedder.require_values(await read_all(other, 2))
        await embedder.require_right(4)

    assert status.code() is Code.RESOURCE_EXHAUSTED


def with_shape(height_px, width_px, count):
    return image_pb2.Image(
        pixels=image_pb2.Pixels(height_px=height_px, width_px=width_px, rgb=bytes(count))
    )


WRONG_PIXELS = {
    "one byte too few": with_shape(40, 40, 40 * 40 * 3 - 1),
    "one byte too many": with_shape(40, 40, 40 * 40 * 3 + 1),
    "none": with_shape(40, 40, 0),
    "grey": with_shape(40, 40, 40 * 40),
    "no sides": with_shape(0, 0, 40 * 40 * 3),
    "an empty side": with_shape(0, 40, 0),
    "sides whose product passes 32 bits": with_shape(2**31 - 1, 2**31 - 1, 3),
}


@pytest.mark.parametrize("wrong", WRONG_PIXELS.values(), ids=WRONG_PIXELS)
async def test_pixels_of_another_length_than_their_shape(wrong):
    """A rejection in their place, and nothing is computed of them."""
    async with service() as embedder:
        request = embed(1, 1, 2)
        request.images[1].CopyFrom(wrong)
        first, rejected, last = (await embedder.stub.EmbedImages(request)).results
        embedder.require_values({1: first, 2: last})

    assert rejected.WhichOneof("outcome") == "rejection"
    assert rejected.rejection.code == rejection_pb2.REJECTION_CODE_BAD_PIXELS
    assert sum(embedder.backend.batch_sizes) == 2


POISON = {
    "HTML": image_pb2.Image(encoded=files.HTML),
    "a bomb": image_pb2.Image(encoded=files.png_bomb()),
    "cut off": image_pb2.Image(encoded=files.encoded(files.photo(), "JPEG")[:-50]),
    "pixels": WRONG_PIXELS["one byte too few"],
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
@pytest.mark.parametrize("way", ["unary", "stream"])
async def test_one_poison_image_among_32(poison, way):
    """31 right answers and one rejection; the 31 are computed together."""
    async with service(max_batch=31, max_delay_s=1) as embedder:
        if way == "unary":
            request = embed(*range(32))
            request.images[17].CopyFrom(poison)
            results = dict(enumerate((await embedder.stub.EmbedImages(request)).results))
        else:
            messages = [message(seed) for seed in range(32)]
            messages[17].image.CopyFrom(poison)
            results = await streamed(embedder.stub, iter(messages))
        rejected = results.pop(17)
        assert len(results) == 31
        embedder.require_values(results)

    assert rejected.WhichOneof("outcome") == "rejection"
    assert embedder.backend.batch_sizes == [31]


async def test_a_client_that_does_not_read_while_it_sends():
    """It is not read any more; others are answered, and its places are theirs once it has gone."""
    sent = 0

    async def send(call):
        nonlocal sent
        for sent in range(2_000):
            await call.write(message(sent % 8))

    # Answers of 64 KB: all of them would be 130 MB.
    async with service(dimension=16_384) as embedder:
        deaf = embedder.stub.StreamEmbedImages()
        sending = asyncio.create_task(send(deaf))
        before, others = -1, 0
        while sent != before or sent < STREAM:
            before = sent
            for _ in range(10):
                await embedder.require_right(9)
            others += 10
        taken = embedder.counted("images_total", outcome="computed") - others
        assert not sending.done()
        assert STREAM <= taken <= 500

        deaf.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await embedder.reaches(1, "calls_total", method="StreamEmbedImages", code="CANCELLED")
        await require_a_stream(embedder)


async def require_a_stream(embedder):
    """All the places for images of streams are free: so many are decoded while nothing is computed."""
    decoded = embedder.counted("decode_seconds_count")
    call = embedder.stub.StreamEmbedImages()
    with embedder.backend.paused():
        await write_all(call, range(STREAM))
        await embedder.reaches(decoded + STREAM, "decode_seconds_count")
    embedder.require_values(await read_all(call, STREAM))
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


class Guest:
    """A client with a channel of its own, that has two images in a batch and thirty that wait."""

    def __init__(self, embedder):
        self._channel = grpc.aio.insecure_channel(embedder.address)
        self._stub = EmbedderServiceStub(self._channel)
        self._calls = []

    async def send(self, way, seeds):
        if way == "stream":
            self._calls = self._calls or [self._stub.StreamEmbedImages()]
            await write_all(self._calls[0], seeds)
        else:
            self._calls.append(self._stub.EmbedImages(embed(*seeds)))

    async def vanish(self, how):
        if how == "cancels":
            for call in self._calls:
                call.cancel()
        await self._channel.close()


@pytest.mark.parametrize("how", ["cancels", "closes its channel"])
@pytest.mark.parametrize("way", ["unary", "stream"])
async def test_a_client_that_vanishes_in_the_middle_of_a_batch(way, how):
    """The others in that batch are answered; what waited of the client's is not computed, and its places are free."""
    async with service(max_delay_s=1) as embedder:
        guest = Guest(embedder)
        with embedder.backend.paused():
            others = asyncio.create_task(embedder.require_right(1, 2))
            await guest.send(way, [3, 4])
            await embedder.held()
            await guest.send(way, range(10, 40))
            # One more batch is on its way to the network.
            await embedder.reaches(30 - BATCH, "queue_depth")
            await guest.vanish(how)
            await embedder.reaches(32, "images_total", outcome="failed")
            assert embedder.counted("queue_depth") == 0
        await others
        assert embedder.backend.batch_sizes == [BATCH]
        await require_a_stream(embedder)

    assert sum(embedder.backend.batch_sizes) == BATCH + STREAM


@pytest.mark.parametrize("way", ["unary", "stream"])
async def test_a_deadline_that_passes_in_the_queue(way):
    """DEADLINE_EXCEEDED, and the image is not computed."""
    async with service() as embedder:
        with embedder.backend.paused():
            first = asyncio.create_task(embedder.require_right(1))
            await embedder.held()
            if way == "unary":
                late = embedder.stub.EmbedImages(embed(2), timeout=1)
            else:
                late = embedder.stub.StreamEmbedImages(iter([message(2)]), timeout=1).read()
            late = asyncio.create_task(status_of(late))
            await embedder.reaches(1, "queue_depth")
            status = await late
            await embedder.reaches(1, "images_total", outcome="failed")
            assert embedder.counted("queue_depth") == 0
        await first
        await embedder.require_right(3)

    assert status.code() is Code.DEADLINE_EXCEEDED
    assert embedder.backend.batch_sizes == [1, 1]
