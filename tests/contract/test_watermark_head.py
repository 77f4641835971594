"""The seed's own variant: a head over the quadrant embeddings of a real embedder."""

from __future__ import annotations

import asyncio
import contextlib
import functools

import grpc
import numpy as np
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sklearn.linear_model import LogisticRegression

from lodestone.watermark.v1 import watermark_service_pb2 as pb
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceStub
from services.embedder.__main__ import define as define_embedder
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.servicekit.embedding import Precision
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.messages import rgb_to_image
from services.watermark.__main__ import build
from services.watermark.config import WatermarkBackend, WatermarkSettings
from services.watermark.detector_folder import HeadEncoder
from services.watermark.head_detector import HeadOfAnotherEncoder, quadrants_of
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder
from tests.fakes.ports import free_port
from tests.fakes.serving import serving, settings_for_tests
from tests.watermark.heads import head_folder, head_model, write_head
from tests.watermark.test_detector import lettered, scene

Code = grpc.StatusCode
HEALTH = health_pb2.HealthCheckResponse
PAIRS = 16


@pytest.fixture(autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


@functools.cache
def encoder() -> Encoder:
    folder = load_encoder_folder(ENCODERS.bundled / "efficientnet-lite0")
    backend = OnnxRuntimeBackend(folder.read_model(), BackendOptions(threads=1))
    return Encoder(folder, backend)


def other_encoder() -> Encoder:
    return Encoder(fake_encoder_folder(), FakeBackend())


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A scene of 448x448, and the same with lettering in all four quadrants."""
    clean = scene(seed)
    marked = clean
    for down in (0.25, 0.75):
        for across in (0.25, 0.75):
            marked = lettered(marked, "PREVIEW", across=across, down=down, size_px=40)
    return clean, marked


def embeddings(images: np.ndarray) -> np.ndarray:
    """(4n, 1280), of the quadrants."""
    return encoder().embed(quadrants_of(images))


@functools.cache
def fitted() -> LogisticRegression:
    """A head that learned marks from a few pairs."""
    clean, marked = (np.stack(images) for images in zip(*map(pair, range(PAIRS)), strict=True))
    rows = np.concatenate([embeddings(clean), embeddings(marked)])
    marks = np.repeat([0, 1], 4 * PAIRS)
    return LogisticRegression(C=100.0, max_iter=1000).fit(rows, marks)


@pytest.fixture
def head(tmp_path):
    """The folder of that head."""
    facts = encoder().facts
    model = head_model(fitted().coef_[0].astype(np.float32), float(fitted().intercept_[0]))
    of = HeadEncoder(
        encoder_id=facts.encoder_id, precision=Precision.FP32, dimension=facts.dimension
    )
    write_head(tmp_path / "head", head_folder(model, of))
    return tmp_path / "head"


@contextlib.asynccontextmanager
async def embedder(served: Encoder, port: int):
    settings = settings_for_tests(EmbedderSettings, port=port, drain_s=0.1)
    async with serving(define_embedder(served, settings), settings) as channel:
        yield channel


@contextlib.asynccontextmanager
async def watermark(folder, port: int, **changes):
    settings = settings_for_tests(
        WatermarkSettings,
        detector=str(folder),
        backend=WatermarkBackend.EMBEDDER,
        embedder=f"127.0.0.1:{port}",
        **changes,
    )
    async with serving(await build(settings), settings) as channel:
        yield channel


async def detect(channel, *images):
    request = pb.DetectWatermarksRequest(images=map(rgb_to_image, images))
    return (await WatermarkServiceStub(channel).DetectWatermarks(request)).results


async def until_health(channel, status) -> None:
    check = health_pb2.HealthCheckRequest(service="lodestone.watermark.v1.WatermarkService")
    async for health in health_pb2_grpc.HealthStub(channel).Watch(check, timeout=30):
        if health.status == status:
            return


async def test_a_head_judges_the_quadrant_embeddings_of_the_embedder(head):
    """Its probabilities are scikit-learn's of the same embeddings, and tell unseen marks from none."""
    port = free_port()
    images = [image for seed in range(PAIRS, PAIRS + 5) for image in pair(seed)]
    async with embedder(encoder(), port), watermark(head, port) as channel:
        results = await detect(channel, *images)
        stub = WatermarkServiceStub(channel)
        served = (await stub.GetDetector(pb.GetDetectorRequest())).detector

    expected = fitted().predict_proba(embeddings(np.stack(images)))[:, 1].reshape(-1, 4)
    for result, four in zip(results, expected, strict=True):
        assert result.value.quadrant_probabilities == pytest.approx(four, abs=1e-4)
        assert result.value.probability == pytest.approx(four.max(), abs=1e-4)
    probabilities = [result.value.probability for result in results]
    assert min(probabilities[1::2]) > max(probabilities[::2])
    assert served.execution_provider == "embedder"
    assert served.encoder_id == encoder().facts.encoder_id


async def test_a_stream_of_64_in_flight(head):
    """Each answer is that of its own image."""
    port = free_port()
    clean, marked = pair(PAIRS)
    requests = [
        pb.StreamDetectWatermarksRequest(id=str(n), image=rgb_to_image(marked if n % 2 else clean))
        for n in range(64)
    ]
    async with embedder(encoder(), port), watermark(head, port) as channel:
        stub = WatermarkServiceStub(channel)
        answers = [answer async for answer in stub.StreamDetectWatermarks(iter(requests))]

    assert {int(answer.id) for answer in answers} == set(range(64))
    by_kind = [
        {
            round(answer.result.value.probability, 4)
            for answer in answers
            if int(answer.id) % 2 == kind
        }
        for kind in (0, 1)
    ]
    assert max(by_kind[0]) < min(by_kind[1])


async def test_no_embedder_is_no_verdict(head):
    """The service starts, is not ready and answers UNAVAILABLE; when the embedder comes, it is ready by itself."""
    port = free_port()
    clean, marked = pair(PAIRS)
    async with watermark(head, port, embedder_timeout_s=1.0) as channel:
        await until_health(channel, HEALTH.NOT_SERVING)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await detect(channel, clean)
        async with embedder(encoder(), port):
            await until_health(channel, HEALTH.SERVING)
            before, after = await detect(channel, clean, marked)
        await until_health(channel, HEALTH.NOT_SERVING)

    assert caught.value.code() is Code.UNAVAILABLE
    assert caught.value.details().startswith("the embedder is unavailable: ")
    assert before.value.probability < after.value.probability


async def test_an_embedder_that_leaves_in_the_middle_is_waited_for(head):
    """What was in flight is sent again when it is back within the time that a batch may take."""
    port = free_port()
    clean, _ = pair(PAIRS)
    async with watermark(head, port) as channel:
        async with embedder(encoder(), port):
            await until_health(channel, HEALTH.SERVING)
            [first] = await detect(channel, clean)
        waiting = asyncio.create_task(detect(channel, clean))
        async with embedder(encoder(), port):
            [second] = await waiting

    assert second.value.probability == pytest.approx(first.value.probability, abs=1e-6)


async def test_a_head_of_another_encoder_stops_the_start(head):
    """With one sentence that names both."""
    port = free_port()
    async with embedder(other_encoder(), port):
        with pytest.raises(HeadOfAnotherEncoder, match="the embedder serves encoder ffffffffffff"):
            async with watermark(head, port):
                pass


async def test_an_embedder_that_changes_its_encoder_is_refused(head):
    """FAILED_PRECONDITION and not ready: embeddings of another encoder mean nothing to the head."""
    port = free_port()
    clean, _ = pair(PAIRS)
    async with contextlib.AsyncExitStack() as stack:
        async with embedder(encoder(), port):
            channel = await stack.enter_async_context(watermark(head, port))
        async with embedder(other_encoder(), port):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await detect(channel, clean)
            await until_health(channel, HEALTH.NOT_SERVING)

    assert caught.value.code() is Code.FAILED_PRECONDITION
    assert "is a head over embeddings of encoder " in caught.value.details()


@pytest.mark.parametrize("detector", ["quadrant-tiles", "head"])
async def test_a_detector_has_the_backend_of_its_kind(head, detector):
    """A network is not given to the embedder, nor a head to a runtime alone."""
    is_head = detector == "head"
    settings = settings_for_tests(
        WatermarkSettings,
        detector=str(head) if is_head else detector,
        backend=WatermarkBackend.ONNXRUNTIME if is_head else WatermarkBackend.EMBEDDER,
    )
    cure = "its backend is embedder" if is_head else "its backend is onnxruntime or cuda"
    with pytest.raises(Misconfigured, match=cure):
        await build(settings)
