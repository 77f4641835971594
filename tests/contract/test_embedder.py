from __future__ import annotations

import asyncio
import contextlib
import functools
import random

import grpc
import numpy as np
import pytest
import structlog

from lodestone.embedder.v1 import embedder_service_pb2 as pb
from lodestone.embedder.v1 import encoder_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceStub
from lodestone.image.v1 import embedding_pb2, image_pb2, rejection_pb2
from services.embedder.__main__ import define
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.image import DecodeLimits, decode
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.messages import rgb_to_image
from services.servicekit.resize import to_input
from tests.embedder.golden import EVERY, load_golden
from tests.fakes import image_files as files
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder
from tests.fakes.serving import serving, settings_for_tests

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def real_encoder() -> Encoder:
    folder = load_encoder_folder(ENCODERS.bundled / "efficientnet-lite0")
    model = folder.read_model()
    backend = OnnxRuntimeBackend(model, BackendOptions(threads=1))
    return Encoder(folder, backend)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def fake_encoder(backend) -> Encoder:
    return Encoder(fake_encoder_folder(), backend)


@pytest.fixture(params=["fake", "real"])
def encoder(request) -> Encoder:
    """The same behaviour is asked of both."""
    return request.getfixturevalue(f"{request.param}_encoder")


@pytest.fixture(autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


@contextlib.asynccontextmanager
async def embedding_service(encoder: Encoder, **changes):
    settings = settings_for_tests(EmbedderSettings, **changes)
    definition = define(encoder, settings)
    async with serving(definition, settings) as channel:
        stub = EmbedderServiceStub(channel)
        stub.registry = definition.registry
        yield stub


@functools.cache
def photo_image(seed: int, format_name: str = "PNG") -> image_pb2.Image:
    return image_pb2.Image(encoded=files.encoded(files.photo(120, 90, seed=seed), format_name))


def vector(result: pb.EmbedResult) -> np.ndarray:
    assert result.WhichOneof("outcome") == "value", result
    return np.asarray(result.value.values, dtype=np.float32)


def expected_vector(encoder: Encoder, seed: int) -> np.ndarray:
    pixels = to_input(files.photo(120, 90, seed=seed), encoder.facts.input_shape)
    return encoder.embed(pixels[None])[0]


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.dot(first.astype(np.float64), second.astype(np.float64)))


async def status_of(call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_the_encoder_describes_itself(encoder):
    """As in its folder, with what computes."""
    async with embedding_service(encoder) as stub:
        found = (await stub.GetEncoder(pb.GetEncoderRequest())).encoder

    facts = encoder.facts
    assert (found.encoder_id, found.name) == (facts.encoder_id, facts.name)
    assert found.dimension == facts.dimension
    assert (found.input_width_px, found.input_height_px) == (
        facts.input_width_px,
        facts.input_height_px,
    )
    assert found.resize_rule == encoder_pb2.RESIZE_RULE_SQUASH
    assert found.precision == embedding_pb2.PRECISION_FP32
    assert found.execution_provider == encoder.execution_provider
    assert found.model_sha256 == facts.sha256


async def test_results_have_the_order_of_the_images(encoder):
    """Each is the embedding of its own image, as if that had come alone."""
    async with embedding_service(encoder) as stub:
        request = pb.EmbedImagesRequest(images=[photo_image(seed) for seed in range(9)])
        results = (await stub.EmbedImages(request)).results

    assert len(results) == 9
    for seed, result in enumerate(results):
        assert cosine(vector(result), expected_vector(encoder, seed)) >= 0.9999
        assert result.value.encoder_id == encoder.facts.encoder_id
        assert result.value.precision == embedding_pb2.PRECISION_FP32
        assert np.linalg.norm(vector(result)) == pytest.approx(1, abs=1e-3)
    assert cosine(vector(results[0]), vector(results[1])) < 0.9999


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "turned JPEG"])
async def test_encoded_images_and_pixels_give_the_same_embedding(encoder, format_name):
    """Whether the server decodes, or the client decodes, or the client resizes as well."""
    rgb = files.photo(300, 200, seed=5)
    encoded = (
        files.jpeg_with_orientation(rgb, 6)
        if format_name == "turned JPEG"
        else files.encoded(rgb, format_name)
    )
    pixels = decode(encoded, DecodeLimits()).rgb
    images = [
        image_pb2.Image(encoded=encoded),
        rgb_to_image(pixels),
        rgb_to_image(to_input(pixels, encoder.facts.input_shape)),
    ]
    async with embedding_service(encoder) as stub:
        answer = await stub.EmbedImages(pb.EmbedImagesRequest(images=images))

    first, *others = (vector(result) for result in answer.results)
    for other in others:
        assert cosine(first, other) >= 0.9999


@pytest.mark.parametrize("size", [(1300, 900), (400, 1200), (150, 600), (90, 60)])
async def test_encoded_images_and_pixels_agree_at_every_size(encoder, size):
    """JPEGs far larger than the input, tall, smaller: decoding takes no shortcut that pixels cannot take."""
    encoded = files.encoded(files.photo(*size, seed=6), "JPEG")
    pixels = decode(encoded, DecodeLimits()).rgb
    images = [
        image_pb2.Image(encoded=encoded),
        rgb_to_image(pixels),
        rgb_to_image(to_input(pixels, encoder.facts.input_shape)),
    ]
    async with embedding_service(encoder) as stub:
        answer = await stub.EmbedImages(pb.EmbedImagesRequest(images=images))

    first, *others = (vector(result) for result in answer.results)
    for other in others:
        assert cosine(first, other) >= 0.9999


BAD = {
    "no content": (image_pb2.Image(), "UNSUPPORTED_FORMAT"),
    "HTML": (image_pb2.Image(encoded=files.HTML), "UNSUPPORTED_FORMAT"),
    "truncated": (
        image_pb2.Image(encoded=files.encoded(files.photo(), "JPEG")[:-50]),
        "TRUNCATED",
    ),
    "a bomb": (image_pb2.Image(encoded=files.png_bomb(9_000)), "TOO_MANY_PIXELS"),
    "one pixel": (image_pb2.Image(encoded=files.encoded(files.photo(1, 1), "PNG")), "TOO_SMALL"),
    "too few pixels": (
        image_pb2.Image(pixels=image_pb2.Pixels(height_px=9, width_px=9, rgb=b"x")),
        "BAD_PIXELS",
    ),
    "21 MB": (image_pb2.Image(encoded=bytes(21_000_000)), "TOO_MANY_BYTES"),
}


async def test_a_bad_image_is_a_rejection_in_its_place(encoder):
    """Every kind of bad image between good ones, which are not affected."""
    images = []
    for seed, (bad, _) in enumerate(BAD.values()):
        images += [photo_image(seed), bad]
    async with embedding_service(encoder) as stub:
        results = (await stub.EmbedImages(pb.EmbedImagesRequest(images=images))).results

    for seed, (_, code) in enumerate(BAD.values()):
        good, bad = results[2 * seed], results[2 * seed + 1]
        assert cosine(vector(good), expected_vector(encoder, seed)) >= 0.9999
        assert bad.WhichOneof("outcome") == "rejection"
        assert rejection_pb2.RejectionCode.Name(bad.rejection.code) == f"REJECTION_CODE_{code}"
        assert bad.rejection.reason


@pytest.mark.parametrize("count", [0, 65])
async def test_a_request_has_1_to_64_images(fake_encoder, count):
    """None or more is the caller's mistake, and costs no decoding."""
    request = pb.EmbedImagesRequest(images=[image_pb2.Image()] * count)
    async with embedding_service(fake_encoder) as stub:
        status = await status_of(stub.EmbedImages(request))

    assert status.code() is Code.INVALID_ARGUMENT
    assert status.details() == f"{count} images; a request has 1 to 64"


async def test_64_images_are_one_request(fake_encoder):
    """The limit itself passes."""
    request = pb.EmbedImagesRequest(images=[photo_image(1)] * 64)
    async with embedding_service(fake_encoder) as stub:
        results = (await stub.EmbedImages(request)).results

    assert len(results) == 64
    assert {result.WhichOneof("outcome") for result in results} == {"value"}


async def test_a_message_over_32_mb_is_refused(fake_encoder):
    """Under it, 31 MB pass."""
    part = image_pb2.Image(encoded=bytes(15_500_000))
    async with embedding_service(fake_encoder) as stub:
        answer = await stub.EmbedImages(pb.EmbedImagesRequest(images=[part] * 2))
        status = await status_of(stub.EmbedImages(pb.EmbedImagesRequest(images=[part] * 3)))

    assert len(answer.results) == 2
    assert status.code() is Code.RESOURCE_EXHAUSTED


async def streamed(stub, requests) -> list[pb.StreamEmbedImagesResponse]:
    return [answer async for answer in stub.StreamEmbedImages(iter(requests))]


async def test_a_stream_answers_each_id_with_its_image(encoder):
    """More images than are in flight at a time, some of them bad; an id may be used twice."""
    bad = {f"bad-{number}": files.HTML for number in range(5)}
    requests = [
        *(
            pb.StreamEmbedImagesRequest(id=f"{n % 10}-{n}", image=photo_image(n % 10))
            for n in range(70)
        ),
        *(
            pb.StreamEmbedImagesRequest(id=i, image=image_pb2.Image(encoded=b))
            for i, b in bad.items()
        ),
        pb.StreamEmbedImagesRequest(id="3-3", image=photo_image(3)),
        pb.StreamEmbedImagesRequest(id="", image=photo_image(0)),
    ]
    random.Random(0).shuffle(requests)
    async with embedding_service(encoder) as stub:
        answers = await streamed(stub, requests)

    assert sorted(answer.id for answer in answers) == sorted(request.id for request in requests)
    expected = [expected_vector(encoder, seed) for seed in range(10)]
    for answer in answers:
        if answer.id in bad:
            assert answer.result.rejection.code == rejection_pb2.REJECTION_CODE_UNSUPPORTED_FORMAT
        else:
            seed = int(answer.id.partition("-")[0] or 0)
            assert cosine(vector(answer.result), expected[seed]) >= 0.9999


async def test_an_id_has_at_most_128_characters(fake_encoder):
    """A longer one ends the stream; characters are counted, not bytes."""
    async with embedding_service(fake_encoder) as stub:
        [answer] = await streamed(stub, [pb.StreamEmbedImagesRequest(id="é" * 128)])
        status = await status_of(streamed(stub, [pb.StreamEmbedImagesRequest(id="x" * 129)]))

    assert answer.id == "é" * 128
    assert status.code() is Code.INVALID_ARGUMENT
    assert "129 characters" in status.details()


async def test_an_idle_stream_is_ended(fake_encoder):
    """With DEADLINE_EXCEEDED and the limit; what was answered before stays answered."""
    async with embedding_service(fake_encoder, stream_idle_s=0.2) as stub:
        call = stub.StreamEmbedImages()
        await call.write(pb.StreamEmbedImagesRequest(id="a", image=photo_image(0)))
        assert (await call.read()).id == "a"
        status = await status_of(call.read())

    assert status.code() is Code.DEADLINE_EXCEEDED
    assert status.details() == "nothing moved on this stream for 0.2 s"


async def test_concurrent_callers_are_computed_together(encoder):
    """Unary calls and streams share the batches."""
    async with embedding_service(encoder) as stub:
        before = batches(stub)
        await asyncio.gather(
            *(stub.EmbedImages(pb.EmbedImagesRequest(images=[photo_image(n)])) for n in range(24)),
            streamed(
                stub,
                [pb.StreamEmbedImagesRequest(id=str(n), image=photo_image(n)) for n in range(24)],
            ),
        )
        after = batches(stub)

    images, computations = after[0] - before[0], after[1] - before[1]
    assert images == 48
    assert computations <= 24


def batches(stub) -> tuple[float, float]:
    """Images and computations so far."""
    return tuple(
        stub.registry.get_sample_value(f"lodestone_embedder_batch_size_{name}")
        for name in ("sum", "count")
    )


async def test_whoever_cancels_gets_nobody_elses_answer(backend, fake_encoder):
    """Random callers leave at random moments; every other one gets its own image's embedding."""
    chance = random.Random(1)
    images = [photo_image(seed) for seed in range(40)]
    async with embedding_service(fake_encoder, max_batch=4) as stub:
        with backend.paused():
            calls = [stub.EmbedImages(pb.EmbedImagesRequest(images=[image])) for image in images]
            for call in chance.sample(calls, 15):
                await asyncio.sleep(0.002)
                call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)

    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) == 15
    for seed, answer in enumerate(answers):
        if not isinstance(answer, asyncio.CancelledError):
            [result] = answer.results
            assert cosine(vector(result), expected_vector(fake_encoder, seed)) >= 0.9999


async def test_too_many_waiting_images_are_refused_at_once(backend, fake_encoder):
    """The one that came first is answered; the other is told to try again later."""
    request = pb.EmbedImagesRequest(images=[photo_image(0)] * 64)
    async with embedding_service(fake_encoder, queue_limit=64) as stub:
        with backend.paused():
            first = stub.EmbedImages(request)
            await asyncio.to_thread(backend.wait_until_held)
            status = await status_of(stub.EmbedImages(request))
        answer = await first

    assert status.code() is Code.RESOURCE_EXHAUSTED
    assert status.details() == "the embedder queue is full (64 items); try again later"
    assert len(answer.results) == 64


async def test_a_failing_network_is_an_internal_error_without_its_text(backend, fake_encoder):
    """It is no rejection: the image may be fine. The next call is computed as ever."""
    async with embedding_service(fake_encoder) as stub:
        working = backend.run
        backend.run = _fail
        request = pb.EmbedImagesRequest(images=[photo_image(0)])
        status = await status_of(stub.EmbedImages(request))
        backend.run = working
        answer = await stub.EmbedImages(request)

    assert status.code() is Code.INTERNAL
    assert status.details().startswith("internal error ")
    assert vector(answer.results[0]).size == 64


def _fail(batch):
    message = "out of memory at 0xdeadbeef"
    raise RuntimeError(message)


@pytest.mark.parametrize("golden", load_golden(), ids=lambda case: f"{case.width_px}px")
async def test_the_bundled_encoder_gives_the_golden_embeddings(real_encoder, golden):
    """Over the wire, from pixels and from a PNG: what torch computed from the weights."""
    images = [
        rgb_to_image(golden.image),
        image_pb2.Image(encoded=files.encoded(golden.image, "PNG")),
    ]
    async with embedding_service(real_encoder) as stub:
        answer = await stub.EmbedImages(pb.EmbedImagesRequest(images=images))

    for result in answer.results:
        assert result.value.encoder_id == golden.encoder_id
        assert np.abs(vector(result)[::EVERY] - golden.values).max() <= 1e-3
