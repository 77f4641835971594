from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

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
from services.servicekit.embedding import Precision
from services.servicekit.messages import rgb_to_image
from tests.fakes import image_files as files
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder
from tests.fakes.serving import serving, settings_for_tests

MB = 1_000_000
# Nobody may write there, not even root.
READ_ONLY = Path("/sys/lodestone-cache")


class Service:
    """A running embedder with a cache, and the network behind it."""

    def __init__(self, stub, registry, backend):
        self.stub = stub
        self.registry = registry
        self.backend = backend

    async def embed(self, *images):
        request = pb.EmbedImagesRequest(images=images)
        return list((await self.stub.EmbedImages(request)).results)

    async def stream(self, images):
        requests = [pb.StreamEmbedImagesRequest(id=str(n), image=one) for n, one in images.items()]
        answers = self.stub.StreamEmbedImages(iter(requests))
        return {int(answer.id): answer.result async for answer in answers}

    def computed(self):
        """Images that the network has computed for callers."""
        return int(self.registry.get_sample_value("lodestone_embedder_batch_size_sum")) - 1

    def lookups(self):
        """Hits, misses, failed ones."""
        name = "lodestone_embedder_cache_lookups_total"
        return tuple(
            self.registry.get_sample_value(name, {"result": one})
            for one in ("hit", "miss", "failed")
        )


@contextlib.asynccontextmanager
async def service(data, *, dimension=64, precision=Precision.FP32, **changes):
    """Its one probe is computed before the first call: what was counted then is not a caller's."""
    backend = FakeBackend(dimension)
    backend.precision = precision
    encoder = Encoder(fake_encoder_folder(dimension=dimension), backend)
    changes = {"cache_bytes": MB, "stuck_s": 600, "data": data, **changes}
    settings = settings_for_tests(EmbedderSettings, **changes)
    definition = define(encoder, settings)
    async with serving(definition, settings) as channel:
        yield Service(EmbedderServiceStub(channel), definition.registry, backend)


@pytest.fixture(autouse=True)
def logs():
    with structlog.testing.capture_logs() as lines:
        yield lines


def image(seed, format_name="PNG"):
    return image_pb2.Image(encoded=files.encoded(files.photo(90, 60, seed=seed), format_name))


def values(result):
    assert result.WhichOneof("outcome") == "value", result
    return np.asarray(result.value.values, np.float32).tobytes()


async def test_a_repeat_costs_no_inference(tmp_path):
    """From unary calls and streams, encoded and as pixels: the same answer, bit by bit."""
    images = [image(seed) for seed in range(5)]
    images += [image(9, "JPEG"), rgb_to_image(files.photo(64, 64, seed=7))]
    async with service(tmp_path) as embedder:
        first = await embedder.embed(*images)
        again = await embedder.embed(*images)
        streamed = await embedder.stream(dict(enumerate(images)))
        assert embedder.computed() == len(images)
        assert embedder.lookups() == (2 * len(images), len(images), 0)
        decoded = embedder.registry.get_sample_value("lodestone_embedder_decode_seconds_count")

    assert decoded == len(images)
    assert again == first
    assert [values(streamed[n]) for n in range(len(images))] == [values(one) for one in first]
    assert len({values(one) for one in first}) == len(images)


async def test_a_restart_keeps_what_was_computed(tmp_path):
    """In the data folder; another service computes nothing of it."""
    images = [image(seed) for seed in range(40)]
    async with service(tmp_path) as embedder:
        first = await embedder.embed(*images)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["embeddings-1.sqlite"]
    async with service(tmp_path) as embedder:
        assert await embedder.embed(*images) == first
        assert embedder.computed() == 0


async def test_without_the_setting_nothing_is_remembered(tmp_path):
    """Every image is computed, no file is made, and nothing is counted."""
    async with service(tmp_path, cache_bytes=0) as embedder:
        assert await embedder.embed(image(1)) == await embedder.embed(image(1))
        assert embedder.computed() == 2
        assert embedder.lookups() == (None, None, None)
    assert list(tmp_path.iterdir()) == []


async def test_the_folder_is_a_setting(tmp_path):
    """For a data folder that others have mounted, say."""
    async with service(tmp_path / "data", cache_folder=tmp_path / "mine") as embedder:
        await embedder.embed(image(1))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("change", [{"precision": Precision.BF16}, {"dimension": 32}])
async def test_another_precision_or_encoder_computes_for_itself(tmp_path, change):
    """In the same file, beside the first one's."""
    async with service(tmp_path) as embedder:
        first = await embedder.embed(image(1))
    async with service(tmp_path, **change) as embedder:
        other = await embedder.embed(image(1))
        assert embedder.lookups() == (0, 1, 0)
    async with service(tmp_path) as embedder:
        assert await embedder.embed(image(1)) == first
        assert embedder.computed() == 0
    assert first[0].value != other[0].value


async def test_pixels_of_another_shape_are_another_image(tmp_path):
    """Of the same bytes; and a file with the bytes of both together is none."""
    rgb = files.photo(64, 32).tobytes()
    wide, high = (
        image_pb2.Image(pixels=image_pb2.Pixels(height_px=height, width_px=width, rgb=rgb))
        for height, width in ((32, 64), (64, 32))
    )
    file = image_pb2.Image(encoded=b"pixels 32 64:" + rgb)
    async with service(tmp_path) as embedder:
        first = await embedder.embed(wide, high, file)
        assert await embedder.embed(wide, high, file) == first
        assert embedder.computed() == 2
    assert values(first[0]) != values(first[1])
    assert first[2].rejection.code == rejection_pb2.REJECTION_CODE_UNSUPPORTED_FORMAT


async def test_a_rejection_is_not_remembered(tmp_path):
    """It is found again each time, between images that are remembered."""
    bad = image_pb2.Image(encoded=files.HTML)
    async with service(tmp_path) as embedder:
        first = await embedder.embed(image(1), bad, image_pb2.Image())
        assert await embedder.embed(image(1), bad, image_pb2.Image()) == first
        assert embedder.lookups() == (1, 5, 0)
    assert [one.WhichOneof("outcome") for one in first] == ["value", "rejection", "rejection"]


async def test_callers_of_one_image_at_a_time(tmp_path):
    """All get its embedding; whoever comes later gets it without inference."""
    async with service(tmp_path) as embedder:
        answers = await asyncio.gather(*(embedder.embed(image(n % 2)) for n in range(40)))
        computed = embedder.computed()
        assert [await embedder.embed(image(n)) for n in (0, 1)] == answers[:2]
        assert embedder.computed() == computed
    for number, [answer] in enumerate(answers):
        expected = np.frombuffer(values(answers[number % 2][0]), np.float32)
        assert np.dot(np.frombuffer(values(answer), np.float32), expected) >= 0.9999


async def test_whoever_leaves_gets_nobody_elses_embedding_remembered(tmp_path):
    """Callers that cancel while their image is computed; later callers get what belongs to their image."""
    async with service(tmp_path) as embedder:
        with embedder.backend.paused():
            calls = [asyncio.create_task(embedder.embed(image(seed))) for seed in range(12)]
            await asyncio.to_thread(embedder.backend.wait_until_held)
            for call in calls[::2]:
                call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        remembered = await embedder.embed(*(image(seed) for seed in range(12)))
    async with service(tmp_path / "other", cache_bytes=0) as embedder:
        expected = await embedder.embed(*(image(seed) for seed in range(12)))
    for one, other in zip(remembered, expected, strict=True):
        first, second = (np.frombuffer(values(result), np.float32) for result in (one, other))
        assert np.dot(first, second) >= 0.9999


async def test_a_network_that_fails_leaves_nothing_behind(tmp_path):
    """The next call computes the image."""
    async with service(tmp_path) as embedder:
        working = embedder.backend.run
        embedder.backend.run = lambda batch: [np.full((len(batch), 64), np.nan, np.float32)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await embedder.embed(image(1))
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        embedder.backend.run = working
        [good] = await embedder.embed(image(1))
    assert np.isfinite(np.frombuffer(values(good), np.float32)).all()


async def test_the_cache_does_not_outgrow_its_limit(tmp_path):
    """Over a few times more than it holds; the newest are remembered, the oldest are not."""
    random = np.random.default_rng(0)
    pixels = [rgb_to_image(one) for one in random.integers(0, 256, (1000, 8, 8, 3), np.uint8)]
    async with service(tmp_path, dimension=512) as embedder:
        for start in range(0, 1000, 64):
            await embedder.embed(*pixels[start : start + 64])
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= MB
    async with service(tmp_path, dimension=512) as embedder:
        await embedder.embed(*pixels[-100:-60], *pixels[:20])
        assert embedder.lookups() == (40, 20, 0)
        held = embedder.registry.get_sample_value("lodestone_embedder_cache_bytes")
        assert 0.8 * MB <= held <= MB


DAMAGED = {
    "nothing like it": b"damaged " * 4096,
    "a header alone": b"SQLite format 3\0" + bytes(4096),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
async def test_a_damaged_file_is_no_reason_to_fail(tmp_path, logs, content):
    """Images are computed, one line tells of it, and the next start remembers again."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "embeddings-1.sqlite").write_bytes(content)
    async with service(tmp_path) as embedder:
        first = await embedder.embed(image(1))
        assert (await embedder.embed(image(2)))[0].WhichOneof("outcome") == "value"
    assert [line["event"] for line in logs].count("cache_away") == 1
    async with service(tmp_path) as embedder:
        assert await embedder.embed(image(1)) == first
        assert await embedder.embed(image(1)) == first
        assert embedder.lookups() == (1, 1, 0)


async def test_a_folder_that_may_not_be_written_to_is_no_reason_to_fail(tmp_path, logs):
    """Lookups are counted as failed, images are computed, and one line says why."""
    async with service(tmp_path, cache_folder=READ_ONLY) as embedder:
        results = [*await embedder.embed(image(1)), *await embedder.embed(image(2))]
        assert [one.WhichOneof("outcome") for one in results] == ["value", "value"]
        assert embedder.computed() == 2
        assert embedder.lookups() == (0, 0, 2)
    assert [line["event"] for line in logs].count("cache_away") == 1


async def test_two_services_share_a_folder(tmp_path):
    """At once; after both have ended everything that either computed is remembered."""
    images = [image(seed) for seed in range(30)]
    async with service(tmp_path) as first, service(tmp_path) as second:
        await asyncio.gather(
            *(first.embed(one) for one in images[:20]), *(second.embed(one) for one in images[10:])
        )
        assert first.lookups()[2] == second.lookups()[2] == 0
    async with service(tmp_path) as third:
        await third.embed(*images)
        assert third.lookups() == (30, 0, 0)
