"""Pictures that tests make: smooth random scenes with the spectrum of photos."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as PillowImage

from services.servicekit.image import Rgb


def scene(seed: int, *, width_px: int = 640, height_px: int = 480) -> Rgb:
    """A random picture whose amplitudes fall with frequency, as those of photos do; (h, w, 3) uint8."""
    rng = np.random.default_rng(seed)
    shape = (height_px, width_px)
    across = np.hypot(
        np.fft.fftfreq(height_px)[:, None] * height_px, np.fft.fftfreq(width_px) * width_px
    )
    channels = []
    for _ in range(3):
        spectrum = np.fft.fft2(rng.normal(size=shape)) / np.maximum(across, 1.0) ** 1.2
        plane = np.fft.ifft2(spectrum).real
        channels.append((plane - plane.mean()) / plane.std() * 50 + 128)
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def encode(rgb: Rgb, format_name: str = "JPEG", **options: object) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    PillowImage.fromarray(rgb).save(buffer, format_name, **options)
    return buffer.getvalue()


def reencode(rgb: Rgb, **options: object) -> Rgb:
    """A picture that went through a JPEG."""
    return np.asarray(PillowImage.open(io.BytesIO(encode(rgb, "JPEG", **options))))


def resized(rgb: Rgb, width_px: int, height_px: int) -> Rgb:
    """A picture at another size."""
    size = (width_px, height_px)
    return np.asarray(PillowImage.fromarray(rgb).resize(size, PillowImage.Resampling.LANCZOS))
