from __future__ import annotations

import asyncio
import contextlib
import random

import grpc
import numpy as np
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lodestone.image.v1 import image_pb2, rejection_pb2, verdict_pb2
from lodestone.watermark.v1 import watermark_service_pb2 as pb
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceStub
from services.servicekit.image import DecodeLimits, decode
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.messages import rgb_to_image
from services.servicekit.resize import to_input
from services.watermark.__main__ import define
from services.watermark.config import WatermarkSettings
from services.watermark.detector import Detector
from services.watermark.detector_folder import DETECTORS, load_detector_folder
from tests.fakes import image_files as files
from tests.fakes.serving import serving, settings_for_tests
from tests.watermark.detectors import SIDE_PX, BrightnessBackend, fake_folder

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def real_detector() -> Detector:
    folder = load_detector_folder(DETECTORS.bundled / "quadrant-tiles")
    backend = OnnxRuntimeBackend(folder.model, BackendOptions(threads=1))
    return Detector(folder, backend, threshold=None)


@pytest.fixture
def backend() -> BrightnessBackend:
    return BrightnessBackend()


@pytest.fixture
def detector(backend) -> Detector:
    return Detector(fake_folder(threshold=0.4), backend, threshold=None)


@pytest.fixture(autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


@contextlib.asynccontextmanager
async def watermark_service(detector: Detector, **changes):
    settings = settings_for_tests(WatermarkSettings, **changes)
    definition = define(detector, settings)
    async with serving(definition, settings) as channel:
        stub = WatermarkServiceStub(channel)
        stub.channel = channel
        yield stub


def grey(level: int) -> image_pb2.Image:
    return rgb_to_image(np.full((SIDE_PX, SIDE_PX, 3), level, np.uint8))


async def detect(stub, *images) -> list[pb.DetectResult]:
    return (await stub.DetectWatermarks(pb.DetectWatermarksRequest(images=images))).results


async def streamed(stub, requests) -> list[pb.StreamDetectWatermarksResponse]:
    return [answer async for answer in stub.StreamDetectWatermarks(iter(requests))]


async def status_of(call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_the_detector_describes_itself(real_detector):
    """As in its folder, with the threshold that holds and what computes."""
    folder = load_detector_folder(DETECTORS.bundled / "quadrant-tiles")
    async with watermark_service(real_detector) as stub:
        found = (await stub.GetDetector(pb.GetDetectorRequest())).detector

    assert found.detector_id == folder.description.detector_id
    assert found.name == "quadrant-tiles"
    assert (found.input_width_px, found.input_height_px) == (448, 448)
    assert found.threshold == folder.description.threshold
    assert found.execution_provider == "CPUExecutionProvider"


async def test_a_threshold_from_the_settings_is_the_one_that_is_told(backend):
    """In the description, in the detections, and in the verdicts."""
    detector = Detector(fake_folder(threshold=0.4), backend, threshold=0.9)
    async with watermark_service(detector) as stub:
        found = (await stub.GetDetector(pb.GetDetectorRequest())).detector
        [result] = await detect(stub, grey(200))

    assert found.threshold == result.value.threshold == 0.9
    assert result.value.verdict == verdict_pb2.VERDICT_ACCEPTED


async def test_an_image_without_a_probability_has_no_verdict():
    """Neither alone nor on a stream; the service goes on with other images."""
    broken = Detector(fake_folder(), BrightnessBackend(white=np.nan), threshold=None)
    request = pb.StreamDetectWatermarksRequest(id="a", image=grey(255))
    async with watermark_service(broken) as stub:
        alone = await status_of(detect(stub, grey(255)))
        on_a_stream = await status_of(streamed(stub, [request]))
        [fine] = await detect(stub, grey(51))

    assert alone.code() is on_a_stream.code() is Code.FAILED_PRECONDITION
    assert "detector 'fake' gives no verdict" in alone.details()
    assert fine.value.probability == pytest.approx(0.2)


async def test_results_have_the_order_of_the_images(detector):
    """Each is the detection of its own image, whatever the batches were."""
    levels = [0, 51, 102, 103, 153, 255, 25, 204]
    async with watermark_service(detector, max_batch=3) as stub:
        results = await detect(stub, *(grey(level) for level in levels))

    for level, result in zip(levels, results, strict=True):
        assert result.value.probability == pytest.approx(level / 255)
        assert result.value.quadrant_probabilities == pytest.approx([level / 255] * 4)
        assert result.value.threshold == 0.4


async def test_exactly_the_threshold_passes(backend):
    """The verdict is WATERMARKED only over it."""
    at = float(np.float32(102 / 255))
    detector = Detector(fake_folder(threshold=at), backend, threshold=None)
    async with watermark_service(detector) as stub:
        under, exactly, over = await detect(stub, grey(101), grey(102), grey(103))

    assert exactly.value.probability == at
    assert under.value.verdict == exactly.value.verdict == verdict_pb2.VERDICT_ACCEPTED
    assert over.value.verdict == verdict_pb2.VERDICT_WATERMARKED


async def test_quadrants_have_the_order_of_the_contract(detector):
    """Top left, top right, bottom left, bottom right."""
    half = SIDE_PX // 2
    pixels = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    pixels[:half, half:] = 51
    pixels[half:, :half] = 102
    pixels[half:, half:] = 255
    async with watermark_service(detector) as stub:
        [result] = await detect(stub, rgb_to_image(pixels))

    assert result.value.quadrant_probabilities == pytest.approx([0.0, 0.2, 0.4, 1.0])
    assert result.value.probability == 1.0


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "turned JPEG"])
async def test_encoded_images_and_pixels_give_the_same_detection(real_detector, format_name):
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
        rgb_to_image(to_input(pixels, real_detector.facts.input_shape)),
    ]
    async with watermark_service(real_detector) as stub:
        first, *others = await detect(stub, *images)

    assert 0 <= first.value.probability <= 1
    for other in others:
        assert other.value.probability == pytest.approx(first.value.probability, abs=1e-5)
        assert other.value.quadrant_probabilities == pytest.approx(
            first.value.quadrant_probabilities, abs=1e-5
        )


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


async def test_a_bad_image_is_a_rejection_in_its_place(detector):
    """Every kind of bad image between good ones, which are not affected."""
    images = []
    for level, (bad, _) in enumerate(BAD.values()):
        images += [grey(10 * level), bad]
    async with watermark_service(detector) as stub:
        results = await detect(stub, *images)

    for level, (_, code) in enumerate(BAD.values()):
        good, bad = results[2 * level], results[2 * level + 1]
        assert good.value.probability == pytest.approx(10 * level / 255)
        assert bad.WhichOneof("outcome") == "rejection"
        assert rejection_pb2.RejectionCode.Name(bad.rejection.code) == f"REJECTION_CODE_{code}"
        assert bad.rejection.reason


@pytest.mark.parametrize("count", [0, 65])
async def test_a_request_has_1_to_64_images(detector, count):
    """None or more is the caller's mistake, and costs no decoding."""
    async with watermark_service(detector) as stub:
        status = await status_of(detect(stub, *[image_pb2.Image()] * count))

    assert status.code() is Code.INVALID_ARGUMENT
    assert status.details() == f"{count} images; a request has 1 to 64"


async def test_64_images_of_448_pixels_are_one_request(detector):
    """38.5 MB: both limits at once; more bytes than 40 MB are refused."""
    whole = rgb_to_image(np.full((448, 448, 3), 51, np.uint8))
    async with watermark_service(detector) as stub:
        results = await detect(stub, *[whole] * 64)
        status = await status_of(detect(stub, *[image_pb2.Image(encoded=bytes(20_500_000))] * 2))

    assert len(results) == 64
    assert {round(result.value.probability, 6) for result in results} == {0.2}
    assert status.code() is Code.RESOURCE_EXHAUSTED


async def test_a_stream_answers_each_id_with_its_image(detector):
    """More images than are in flight at a time, some of them bad; an id may be used twice."""
    requests = [
        *(
            pb.StreamDetectWatermarksRequest(id=f"{n}-{round_}", image=grey(n))
            for n in range(50)
            for round_ in range(3)
        ),
        *(
            pb.StreamDetectWatermarksRequest(id="bad", image=image_pb2.Image(encoded=files.HTML))
            for _ in range(5)
        ),
        pb.StreamDetectWatermarksRequest(id="", image=grey(0)),
    ]
    random.Random(0).shuffle(requests)
    async with watermark_service(detector) as stub:
        answers = await streamed(stub, requests)

    assert sorted(answer.id for answer in answers) == sorted(request.id for request in requests)
    for answer in answers:
        if answer.id == "bad":
            assert answer.result.rejection.code == rejection_pb2.REJECTION_CODE_UNSUPPORTED_FORMAT
        else:
            level = int(answer.id.partition("-")[0] or 0)
            assert answer.result.value.probability == pytest.approx(level / 255)


async def test_an_id_has_at_most_128_characters(detector):
    """A longer one ends the stream."""
    async with watermark_service(detector) as stub:
        [answer] = await streamed(stub, [pb.StreamDetectWatermarksRequest(id="é" * 128)])
        status = await status_of(streamed(stub, [pb.StreamDetectWatermarksRequest(id="x" * 129)]))

    assert answer.id == "é" * 128
    assert status.code() is Code.INVALID_ARGUMENT
    assert "129 characters" in status.details()


async def test_an_idle_stream_is_ended(detector):
    """With DEADLINE_EXCEEDED and the limit; what was answered before stays answered."""
    async with watermark_service(detector, stream_idle_s=0.2) as stub:
        call = stub.StreamDetectWatermarks()
        await call.write(pb.StreamDetectWatermarksRequest(id="a", image=grey(0)))
        assert (await call.read()).id == "a"
        status = await status_of(call.read())

    assert status.code() is Code.DEADLINE_EXCEEDED


async def test_concurrent_callers_are_computed_together(backend, detector):
    """Unary calls and streams share the batches."""
    async with watermark_service(detector) as stub:
        backend.batch_sizes.clear()
        await asyncio.gather(
            *(detect(stub, grey(level)) for level in range(24)),
            streamed(
                stub,
                [pb.StreamDetectWatermarksRequest(id=str(n), image=grey(n)) for n in range(24)],
            ),
        )

    assert 48 <= sum(backend.batch_sizes) <= 50
    assert len(backend.batch_sizes) <= 30


async def test_a_full_stream_does_not_keep_others_waiting(backend, detector):
    """Of a stream 64 images are in flight at most: what another caller asks is computed before the stream has ended."""
    order = []
    working = backend.run

    def run(batch):
        order.extend(batch[:, 0, 0, 0].tolist())
        return working(batch)

    requests = [pb.StreamDetectWatermarksRequest(id=str(n), image=grey(10)) for n in range(800)]
    async with watermark_service(detector) as stub:
        backend.run = run
        answers = aiter(stub.StreamDetectWatermarks(iter(requests)))
        first = await anext(answers)
        begun = len(order)
        [other] = await detect(stub, grey(255))
        rest = [answer async for answer in answers]

    assert first.result.value.probability == pytest.approx(10 / 255)
    assert other.value.probability == 1.0
    assert len(rest) == 799
    assert order.index(255) < begun + 400


async def test_a_failing_network_is_an_internal_error_without_its_text(backend, detector):
    """It is no rejection: the image may be fine. The next call is computed as ever."""
    async with watermark_service(detector) as stub:
        working = backend.run
        backend.run = _fail
        status = await status_of(detect(stub, grey(1)))
        backend.run = working
        [result] = await detect(stub, grey(51))

    assert status.code() is Code.INTERNAL
    assert status.details().startswith("internal error ")
    assert result.value.probability == pytest.approx(0.2)


def _fail(batch):
    message = "out of memory at 0xdeadbeef"
    raise RuntimeError(message)


async def test_health_is_a_real_inference(backend, detector):
    """Serving only after the network has computed."""
    backend.batch_sizes.clear()
    async with watermark_service(detector) as stub:
        check = health_pb2.HealthCheckRequest(service="lodestone.watermark.v1.WatermarkService")
        answer = await health_pb2_grpc.HealthStub(stub.channel).Check(check)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert backend.batch_sizes
