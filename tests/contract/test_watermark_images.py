"""Images of every kind and shape, sent to the watermark service as a file and as pixels."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import structlog
from PIL import Image as PillowImage

from lodestone.image.v1 import image_pb2
from lodestone.watermark.v1 import watermark_service_pb2 as pb
from lodestone.watermark.v1.watermark_service_pb2_grpc import WatermarkServiceStub
from services.servicekit.image import DecodeLimits, decode
from services.servicekit.messages import rgb_to_image
from services.servicekit.resize import to_input
from services.watermark.__main__ import define
from services.watermark.config import WatermarkSettings
from services.watermark.detector import Detector
from tests.fakes import image_files as files
from tests.fakes.serving import serving, settings_for_tests
from tests.hostile import image_colors_made as made
from tests.watermark.detectors import SIDE_PX, BrightnessBackend, fake_folder

HALF = SIDE_PX // 2


@pytest.fixture(autouse=True)
def _quiet_logs():
    with structlog.testing.capture_logs():
        yield


@contextlib.asynccontextmanager
async def watermark_service():
    """A detector that takes brightness for a watermark, (mean level) ÷ 255 of each quadrant."""
    settings = settings_for_tests(WatermarkSettings)
    detector = Detector(fake_folder(), BrightnessBackend(), threshold=None)
    async with serving(define(detector, settings), settings) as channel:
        yield WatermarkServiceStub(channel)


async def detections(*images: image_pb2.Image) -> list[pb.Detection]:
    async with watermark_service() as stub:
        request = pb.DetectWatermarksRequest(images=images)
        results = (await stub.DetectWatermarks(request)).results
    assert [result.WhichOneof("outcome") for result in results] == ["value"] * len(images)
    return [result.value for result in results]


def quadrants(*levels: int) -> np.ndarray:
    """An image of the input's size, each quadrant of one grey level."""
    rows = np.array(levels, np.uint8).reshape(2, 2).repeat(HALF, 0).repeat(HALF, 1)
    return np.repeat(rows[..., None], 3, axis=2)


def clear_quadrant() -> bytes:
    """Black, but for the top left, which is all clear black."""
    rgba = np.dstack([quadrants(0, 0, 0, 0), quadrants(0, 255, 255, 255)[..., 0]])
    return files.encoded(PillowImage.fromarray(rgba), "PNG")


def turned_by_exif() -> bytes:
    """White at its bottom left; EXIF turns it by 90 degrees clockwise: the white is then at the top left."""
    return files.jpeg_with_orientation(quadrants(0, 0, 255, 0), 6)


# What each kind of file looks like: the mean levels of its quadrants.
KINDS = {
    "grey": (
        files.encoded(PillowImage.fromarray(quadrants(0, 51, 102, 255)).convert("L"), "PNG"),
        (0, 51, 102, 255),
    ),
    "16-bit grey": (made.gradient_of_16_bits(), (63, 191, 63, 191)),
    "16-bit RGB": (made.rgb_of_16_bits(), (128,) * 4),
    "one bit": (made.one_bit(), (0, 0, 255, 255)),
    "palette": (
        files.encoded(PillowImage.fromarray(quadrants(0, 51, 102, 255)).convert("P"), "PNG"),
        (0, 51, 102, 255),
    ),
    "clear palette entry, over white": (made.palette_with_transparency(), (255,) * 4),
    "transparent, over white": (clear_quadrant(), (255, 0, 0, 0)),
    "grey and transparent, over white": (made.grey_with_alpha(), (255,) * 4),
    "animated GIF, first frame": (files.animation("GIF"), (0,) * 4),
    "animated WebP, first frame": (files.animation("WEBP"), (0,) * 4),
    "animated PNG, first frame": (files.animation("PNG"), (0,) * 4),
    "CMYK": (made.cmyk(), (85,) * 4),
    "turned by EXIF": (turned_by_exif(), (255, 0, 0, 0)),
}


@pytest.mark.parametrize(("encoded", "levels"), KINDS.values(), ids=KINDS)
async def test_every_kind_of_image_has_a_defined_result(encoded, levels):
    """What a person sees of it is judged, and its pixels have the same result as its file."""
    pixels = rgb_to_image(decode(encoded, DecodeLimits()).rgb)

    of_file, of_pixels = await detections(image_pb2.Image(encoded=encoded), pixels)

    found = np.array(of_file.quadrant_probabilities) * 255
    assert found == pytest.approx(levels, abs=3)
    assert of_file == of_pixels


@pytest.mark.parametrize(
    ("size", "upscaled"),
    [
        ((SIDE_PX, SIDE_PX), False),
        ((SIDE_PX - 1, SIDE_PX), True),
        ((SIDE_PX, SIDE_PX - 1), True),
        ((2, 2), True),
        ((90, 64), False),
        ((90, 31), True),
    ],
)
async def test_an_image_smaller_than_the_input_is_scaled_up_and_said_so(size, upscaled):
    """On either side; exactly the input's size is not, and files and pixels agree."""
    rgb = files.photo(*size)
    image = image_pb2.Image(encoded=files.encoded(rgb, "PNG"))

    of_file, of_pixels = await detections(image, rgb_to_image(rgb))

    assert of_file.upscaled is of_pixels.upscaled is upscaled
    assert of_file == of_pixels


@pytest.mark.parametrize("wide", [True, False], ids=["wide", "tall"])
async def test_the_quadrants_of_a_panorama_are_its_quarters(wide):
    """From left to right or from top to bottom; alike from a file, pixels, and pixels of the input's size."""
    levels = np.repeat(np.array([0, 51, 102, 255], np.uint8), 80)
    strip = np.repeat(np.broadcast_to(levels, (64, 320))[..., None], 3, axis=2)
    rgb = np.ascontiguousarray(strip if wide else strip.transpose(1, 0, 2))
    ready = to_input(rgb, fake_folder().description.input_shape)

    of_file, *others = await detections(
        image_pb2.Image(encoded=files.encoded(rgb, "PNG")), rgb_to_image(rgb), rgb_to_image(ready)
    )

    assert of_file.quadrant_probabilities == pytest.approx([0.0, 0.2, 0.4, 1.0], abs=0.05)
    assert not of_file.upscaled
    assert others == [of_file] * 2


async def test_a_strip_of_two_pixels_has_a_result():
    """8,000 to one is as defined as anything else."""
    [found] = await detections(rgb_to_image(np.full((2, 16_000, 3), 51, np.uint8)))

    assert found.probability == pytest.approx(0.2, abs=1e-6)
    assert found.upscaled
