"""A candidate: an image that was downloaded and decoded, and is not judged yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.servicekit.image import Rgb


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether two images are the same picture.

    Attributes:
        hash64: The 64-bit perceptual hash, 0 to 2^64 - 1; finds.
        hash256: The 256-bit perceptual hash, 32 bytes, most significant bit first; confirms.
        flat: Whether the picture has too little structure for perceptual hashes: compare by digest only.
    """

    hash64: int
    hash256: bytes
    flat: bool

    @property
    def hex(self) -> str:
        """The 64-bit hash, 16 hex digits."""
        return f"{self.hash64:016x}"


@dataclass(frozen=True, slots=True)
class DecodedCandidate:
    """What decoding gives: facts and the inputs of the model services, not the full pixels.

    Attributes:
        width_px: Width of the upright image.
        height_px: Height of the upright image.
        format: For example `JPEG`.
        animated: Whether it is the first of several frames.
        fingerprint: Its perceptual hashes.
        mirrored: The perceptual hashes of its mirror image, for looking it up.
        inputs: Pixels (h, w, 3) uint8 by the word of the service that takes them: `embedder`, `watermark`.
    """

    width_px: int
    height_px: int
    format: str
    animated: bool
    fingerprint: Fingerprint
    mirrored: Fingerprint
    inputs: Mapping[str, Rgb]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decoded candidate with its bytes.

    Attributes:
        encoded: The bytes as fetched.
        digest: Their SHA-256, 64 hex digits; empty for an image that was given as pixels.
        decoded: What decoding gave.
    """

    encoded: bytes
    digest: str
    decoded: DecodedCandidate
