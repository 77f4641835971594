from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.crawler.candidate import Fingerprint
from services.crawler.seen.perceptual_hash import SOURCE_PX, _low_frequencies, fingerprint
from services.servicekit.image import DecodeLimits, Rgb, open_image
from tests.crawler.pictures import encode, reencode, resized, scene

SCENES = [scene(seed) for seed in range(16)]


def distances(one: Fingerprint, other: Fingerprint) -> tuple[int, int]:
    """Bits of 64 and of 256 that differ."""
    first, second = (int.from_bytes(side.hash256, "big") for side in (one, other))
    return (one.hash64 ^ other.hash64).bit_count(), (first ^ second).bit_count()


def is_near(one: Fingerprint, other: Fingerprint) -> bool:
    near64, near256 = distances(one, other)
    return near64 <= 8 and near256 <= 60


def test_hashes_are_whole_and_half_set() -> None:
    """Both hashes use all their bits: half of them are over the median."""
    for rgb in SCENES:
        upright, mirrored = fingerprint(rgb)
        for side in (upright, mirrored):
            assert not side.flat
            assert len(side.hash256) == 32
            assert side.hash64.bit_count() == 32
            assert int.from_bytes(side.hash256, "big").bit_count() == 128
            assert len(side.hex) == 16


def dct_by_fft(rows: np.ndarray) -> np.ndarray:
    """The orthonormal DCT-II along the last axis, out of the FFT of each row and its mirror image."""
    count = rows.shape[-1]
    turned = np.fft.fft(np.concatenate([rows, rows[..., ::-1]], axis=-1))[..., :count]
    waves = (turned * np.exp(-0.5j * np.pi * np.arange(count) / count)).real / np.sqrt(2 * count)
    waves[..., 0] /= np.sqrt(2)
    return waves


def test_the_transform_is_the_orthonormal_dct() -> None:
    """The low frequencies are those of a DCT-II by another way."""
    grey = np.random.default_rng(0).normal(size=(64, 64))
    expected = dct_by_fft(dct_by_fft(grey).T).T[:16, :16]
    np.testing.assert_allclose(_low_frequencies(grey, 16), expected, atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda rgb: resized(rgb, 320, 240),
        lambda rgb: resized(rgb, 1_280, 960),
        lambda rgb: resized(rgb, 613, 401),
        lambda rgb: reencode(rgb, quality=30),
        lambda rgb: (rgb * 0.8 + 20).astype(np.uint8),
        lambda rgb: np.asarray(PillowImage.fromarray(rgb).convert("L").convert("RGB")),
    ],
    ids=["half", "double", "odd size", "JPEG 30", "contrast", "grey"],
)
def test_copies_are_near(change: Callable[[Rgb], Rgb]) -> None:
    """A copy in another size, quality, contrast or without colour is near its original."""
    for rgb in SCENES:
        assert is_near(fingerprint(rgb)[0], fingerprint(change(rgb))[0])


def test_different_pictures_are_far() -> None:
    """No two scenes are near, nor one and another's mirror image."""
    prints = [fingerprint(rgb) for rgb in SCENES]
    for place, (upright, _) in enumerate(prints):
        for other, mirrored in prints[:place]:
            assert not is_near(upright, other)
            assert not is_near(upright, mirrored)


@pytest.mark.parametrize("size", [(640, 480), (641, 479), (97, 211)])
def test_the_mirrored_hash_is_that_of_the_mirror_image(size: tuple[int, int]) -> None:
    """The sign change gives what hashing the mirror image gives, but for rounding, and is far from the upright."""
    for seed in range(8):
        rgb = scene(seed, width_px=size[0], height_px=size[1])
        upright, mirrored = fingerprint(rgb)
        really_upright, really_mirrored = fingerprint(np.ascontiguousarray(rgb[:, ::-1]))
        for computed, real in ((mirrored, really_upright), (upright, really_mirrored)):
            near64, near256 = distances(computed, real)
            assert near64 <= 2
            assert near256 <= 8
        assert not is_near(upright, mirrored)


def _gradient(width_px: int = 800, height_px: int = 600) -> Rgb:
    ramp = np.linspace(0, 255, width_px).astype(np.uint8)
    return np.broadcast_to(ramp[None, :, None], (height_px, width_px, 3)).copy()


def _stars() -> Rgb:
    rng = np.random.default_rng(0)
    sky = np.zeros((600, 800, 3), dtype=np.uint8)
    sky[rng.integers(0, 600, 300), rng.integers(0, 800, 300)] = 255
    return sky


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((512, 512, 3), dtype=np.uint8),
        np.full((300, 700, 3), 255, dtype=np.uint8),
        _gradient(),
        _stars(),
        np.zeros((1, 1, 3), dtype=np.uint8),
        np.random.default_rng(0).integers(126, 130, (600, 800, 3), dtype=np.uint8),
    ],
    ids=["black", "white", "gradient", "stars", "1x1", "faint noise"],
)
def test_pictures_without_structure_are_flat(rgb: Rgb) -> None:
    """What has no structure says so, in both directions, and does not raise."""
    upright, mirrored = fingerprint(rgb)
    assert upright.flat
    assert mirrored.flat


def test_a_scene_in_fog_is_not_flat() -> None:
    """A picture with a quarter of the usual contrast is still told apart."""
    for rgb in SCENES:
        faint = (rgb * 0.25 + 96).astype(np.uint8)
        assert not fingerprint(faint)[0].flat


def test_views_and_read_only_pixels_are_taken() -> None:
    """The pixels of a message are read-only, a crop is not contiguous: both hash like a copy."""
    rgb = SCENES[0][10:400, 20:500]
    frozen = rgb.copy()
    frozen.setflags(write=False)
    assert fingerprint(rgb) == fingerprint(frozen)


def test_hashing_is_quick() -> None:
    """Two megapixels take a few milliseconds; ten times the measured time is the bound."""
    rgb = np.random.default_rng(0).integers(0, 256, (1_200, 1_700, 3), dtype=np.uint8)
    times_s = []
    for _ in range(7):
        started_s = time.process_time()
        fingerprint(rgb)
        times_s.append(time.process_time() - started_s)
    assert min(times_s) < 0.035


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_near_its_small_copies(seed: int, orientation: int) -> None:
    """Each is hashed from its own reduced scale, and a copy of any size is as near as from all pixels."""
    whole = scene(seed, width_px=2_003, height_px=1_501)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    of_whole = _of_jpeg(encode(whole, quality=88, exif=exif.tobytes()))
    turned = np.ascontiguousarray(np.rot90(whole, -1)) if orientation == 6 else whole
    for width_px in (320, 640, 1_023, 1_280, 1_919):
        height_px = round(width_px * turned.shape[0] / turned.shape[1])
        near64, near256 = distances(
            of_whole, _of_jpeg(encode(resized(turned, width_px, height_px), quality=80))
        )
        assert near64 <= 4
        assert near256 <= 16
    assert distances(of_whole, fingerprint(turned)[0])[1] <= 8


def _of_jpeg(encoded: bytes) -> Fingerprint:
    return fingerprint(open_image(encoded, DecodeLimits()).grey(SOURCE_PX))[0]
