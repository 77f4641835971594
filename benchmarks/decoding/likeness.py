"""How near an encoder's embeddings are to those of all pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.decoding.pictures import Jpeg
from benchmarks.decoding.pillow_ways import all_pixels
from benchmarks.decoding.way import Way
from services.embedder.encoder import Encoder
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.image import Rgb
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend


@dataclass(slots=True)
class Likeness:
    """One way beside the present one, photo by photo.

    Attributes:
        cosines: Of the two embeddings.
        changed: The share of the input's values that differ, 0 to 1.
        names: The photos' names.
    """

    cosines: list[float] = field(default_factory=list)
    changed: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """The cosines' least, first percentile and median, and how many photos gave the same pixels."""
        cosines = np.array(self.cosines)
        return {
            "photos": len(cosines),
            "same_pixels": self.changed.count(0.0),
            "changed_median": round(float(np.median(self.changed)), 5),
            "cosine_min": round(float(cosines.min()), 6),
            "cosine_p1": round(float(np.percentile(cosines, 1)), 6),
            "cosine_median": round(float(np.median(cosines)), 6),
            "under_0.999": int((cosines < 0.999).sum()),
            "least_like": self.names[int(cosines.argmin())],
        }


def bundled_encoder() -> Encoder:
    """EfficientNet-Lite0 in fp32, on one core."""
    folder = load_encoder_folder(ENCODERS.bundled / "efficientnet-lite0")
    return Encoder(folder, OnnxRuntimeBackend(folder.read_model(), BackendOptions(threads=1)))


def likenesses(
    encoder: Encoder, ways: Sequence[Way], photos: Iterable[Jpeg]
) -> dict[str, Likeness]:
    """Embeds every photo by every way, one at a time; the same pixels are embedded once."""
    found = {way.name: Likeness() for way in ways}
    side_px = encoder.facts.input_width_px
    for photo in photos:
        reference = all_pixels(photo.encoded, side_px)
        embedding = _embed(encoder, reference)
        for way in ways:
            pixels = way.input_of(photo.encoded, side_px)
            changed = float((pixels != reference).mean())
            cosine = float(embedding @ _embed(encoder, pixels)) if changed else 1.0
            one = found[way.name]
            one.cosines.append(cosine)
            one.changed.append(changed)
            one.names.append(photo.name)
    return found


def _embed(encoder: Encoder, pixels: Rgb) -> npt.NDArray[np.float64]:
    embedding = encoder.embed(np.ascontiguousarray(pixels)[None])[0].astype(np.float64)
    return np.asarray(embedding / np.linalg.norm(embedding), dtype=np.float64)
