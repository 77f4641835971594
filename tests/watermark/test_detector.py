from __future__ import annotations

import functools

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.resize import to_input
from services.watermark.detector import Detection, Detector, DetectorUnfit, NoProbabilities
from services.watermark.detector_folder import DETECTORS, QUADRANTS, load_detector_folder
from tests.fakes.image_files import photo
from tests.watermark.detectors import MODEL, SIDE_PX, BrightnessBackend, FixedBackend, fake_folder

SIDES = {"top": 0.25, "bottom": 0.75, "left": 0.25, "right": 0.75}


@functools.cache
def bundled() -> Detector:
    folder = load_detector_folder(DETECTORS.bundled / "quadrant-tiles")
    backend = OnnxRuntimeBackend(folder.model, BackendOptions(threads=1))
    return Detector(folder, backend, threshold=None)


def scene(seed: int) -> np.ndarray:
    """A smooth image without letters, (448, 448, 3)."""
    small = photo(56, 56, seed=seed)
    image = PillowImage.fromarray(small).resize((448, 448), PillowImage.Resampling.BICUBIC)
    return np.asarray(image)


def lettered(rgb: np.ndarray, text: str, *, across: float, down: float, size_px: int) -> np.ndarray:
    """The image with white lettering at half opacity, centred on a place (shares of the sides)."""
    image = PillowImage.fromarray(rgb).convert("RGBA")
    layer = PillowImage.new("RGBA", image.size, (255, 255, 255, 0))
    at = (across * image.width, down * image.height)
    font = ImageFont.load_default(size_px)
    draw = ImageDraw.Draw(layer)
    draw.text(at, text, font=font, fill=(255, 255, 255, 150), anchor="mm")
    return np.asarray(PillowImage.alpha_composite(image, layer).convert("RGB"))


@pytest.mark.parametrize(
    ("probability", "watermarked"), [(0.49, False), (0.5, False), (0.500001, True)]
)
def test_exactly_the_threshold_passes(probability, watermarked):
    """Only over it is an image watermarked."""
    assert Detection(probability, (0.0,) * 4, threshold=0.5).watermarked is watermarked


def test_a_detector_computes_sizes_that_it_has_tried():
    """Whatever comes, so that memory does not grow; every image has its own probability."""
    backend = BrightnessBackend()
    detector = Detector(fake_folder(), backend, threshold=None)
    buckets = detector.warm_up(4)
    tried = set(backend.batch_sizes)
    images = np.zeros((7, SIDE_PX, SIDE_PX, 3), np.uint8)
    images[5] = 255

    found = [detection.probability for detection in detector.detect(images)]

    assert set(backend.batch_sizes) == tried <= {1, 2, 4}
    assert buckets.largest in tried
    assert found[5] > max(found[:5] + found[6:])


def test_what_is_no_number_never_passes():
    """Neither as a probability nor as a threshold."""
    assert Detection(float("nan"), (0.0,) * 4, threshold=0.5).watermarked
    assert Detection(0.5, (0.0,) * 4, threshold=float("nan")).watermarked


@pytest.mark.parametrize(
    ("wrong", "says"), [(np.nan, "for example nan"), (1.5, "for example 1.5"), (-1, "example -1")]
)
def test_images_without_probabilities_have_no_verdict(wrong, says):
    """Black images compute well when the detector is made; others need not, as a whole or in one quadrant."""
    backend = BrightnessBackend(white=wrong)
    detector = Detector(fake_folder(), backend, threshold=None)
    batch = np.zeros((3, SIDE_PX, SIDE_PX, 3), np.uint8)
    batch[2, : SIDE_PX // 2, : SIDE_PX // 2] = 255

    with pytest.raises(NoProbabilities, match=says) as caught:
        detector.detect(batch)

    assert caught.value.name == "fake"
    assert "\n" not in str(caught.value)
    assert len(detector.detect(batch[:2])) == 2


def test_every_image_gets_its_own_detection():
    """In the order of the batch, with the quadrants in the order of the contract."""
    detector = Detector(fake_folder(threshold=0.6), BrightnessBackend(), threshold=None)
    batch = np.zeros((3, SIDE_PX, SIDE_PX, 3), np.uint8)
    half = SIDE_PX // 2
    batch[1, :half, half:] = 255
    batch[2, half:, :half] = 153

    none, top_right, bottom_left = detector.detect(batch)

    assert none == Detection(0.0, (0.0, 0.0, 0.0, 0.0), 0.6)
    assert top_right == Detection(1.0, (0.0, 1.0, 0.0, 0.0), 0.6)
    assert bottom_left.quadrant_probabilities == pytest.approx((0.0, 0.0, 0.6, 0.0))


def test_a_threshold_from_outside_wins():
    """0 is a threshold too."""
    assert Detector(fake_folder(), BrightnessBackend(), threshold=None).threshold == 0.5
    assert Detector(fake_folder(), BrightnessBackend(), threshold=0.0).threshold == 0.0


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ([np.zeros(2)], "its outputs for 2 images are [(2,)], not [(2,), (2, 4)]"),
        ([np.zeros(2), np.zeros((2, 3))], "are [(2,), (2, 3)]"),
        ([np.zeros((2, 1)), np.zeros((2, 4))], "are [(2, 1), (2, 4)]"),
        ([np.full(2, 1.5), np.zeros((2, 4))], "its outputs are not probabilities"),
        ([np.zeros(2), np.full((2, 4), np.nan)], "its outputs are not probabilities"),
    ],
)
def test_a_network_that_is_no_detector_is_refused(outputs, says):
    """Before anything is served, in one line."""
    with pytest.raises(DetectorUnfit) as caught:
        Detector(fake_folder(), FixedBackend(*outputs), threshold=None)

    assert says in str(caught.value)
    assert str(caught.value).startswith("nowhere: ")
    assert "\n" not in str(caught.value)


def test_a_network_of_another_input_size_is_refused():
    """ONNX Runtime's complaint becomes one line."""
    backend = OnnxRuntimeBackend(MODEL, BackendOptions(threads=1))

    with pytest.raises(DetectorUnfit, match="its network fails: ") as caught:
        Detector(fake_folder(), backend, threshold=None)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_the_bundled_detector_says_where_a_mark_is(quadrant):
    """Lettering in one quadrant raises that quadrant's probability most, and the image's too."""
    down, across = (SIDES[side] for side in quadrant.split("-"))
    clean = scene(seed=3)
    marked = lettered(clean, "© Sample", across=across, down=down, size_px=34)

    before, after = bundled().detect(np.stack([clean, marked]))

    rise = np.subtract(after.quadrant_probabilities, before.quadrant_probabilities)
    assert QUADRANTS[int(np.argmax(rise))] == quadrant
    assert rise.max() > 0.2
    assert after.probability > before.probability


def test_the_bundled_detector_tells_large_marks_from_none():
    """Lettering across the image is over the threshold; the same images without are under it."""
    for seed in range(4):
        clean = scene(seed)
        marked = clean
        for down in (0.2, 0.4, 0.6, 0.8):
            for across in (0.25, 0.75):
                marked = lettered(marked, "PREVIEW", across=across, down=down, size_px=34)

        before, after = bundled().detect(np.stack([clean, marked]))

        assert not before.watermarked, seed
        assert after.watermarked, seed


def test_the_bundled_detector_does_not_depend_on_the_batch():
    """An image has the same probability alone and among others."""
    batch = np.stack([scene(seed) for seed in range(5)])

    together = bundled().detect(batch)
    alone = [bundled().detect(batch[index : index + 1])[0] for index in range(5)]

    for one, other in zip(together, alone, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
        assert one.quadrant_probabilities == pytest.approx(other.quadrant_probabilities, abs=1e-5)


def test_small_and_large_images_are_squashed_to_the_input():
    """Of any shape; a small one is scaled up."""
    shape = bundled().facts.input_shape
    for width_px, height_px in ((2, 2), (300, 90), (1200, 900)):
        pixels = to_input(photo(width_px, height_px), shape)

        [detection] = bundled().detect(pixels[None])

        assert 0 <= detection.probability <= 1
