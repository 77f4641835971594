"""The seed's own detector: a head over the embedder's embeddings of the four quadrants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import FailedPrecondition, Misconfigured
from services.servicekit.inference.backend import Backend
from services.watermark.detector import Detector
from services.watermark.detector_folder import QUADRANTS, DetectorFolder

Embed = Callable[[npt.NDArray[np.uint8]], Sequence[Embedding]]
"""Embeds (n, height, width, 3) uint8 RGB, in their order."""


@dataclass(frozen=True, slots=True)
class ServedEncoder:
    """What embeddings come from.

    Attributes:
        encoder_id: 64 hex digits.
        precision: What it computes in.
    """

    encoder_id: str
    precision: Precision

    def __str__(self) -> str:
        return f"encoder {self.encoder_id[:12]} in {self.precision.value}"


class HeadOfAnotherEncoder(FailedPrecondition):
    """The embedder serves another encoder, or another precision, than the head was fitted to.

    Attributes:
        wanted: What the head judges embeddings of.
        served: What the embedder serves.
    """

    def __init__(self, name: str, *, wanted: ServedEncoder, served: ServedEncoder) -> None:
        super().__init__(
            f"detector {name!r} is a head over embeddings of {wanted}, and the embedder serves {served}"
        )
        self.wanted = wanted
        self.served = served


class HeadDetector(Detector):
    """Finds watermarks in what the embedder says of an image's quadrants.

    `detect` is called from one thread at a time, and raises what `embed` does too.
    """

    def __init__(
        self, folder: DetectorFolder, head: Backend, embed: Embed, *, threshold: float | None
    ) -> None:
        """Computes embeddings of no image to see that the head fits; the embedder is not asked.

        Args:
            folder: What the detector is.
            head: Computes the head: (n, 4, dimension) float32.
            embed: Asks the embedder.
            threshold: Instead of the detector's own; None keeps that.

        Raises:
            DetectorUnfit: The head does not give probabilities of image and quadrants.
            Misconfigured: The detector is no head.
        """
        encoder = folder.description.encoder
        if encoder is None:
            message = f"{folder.path}: this detector is no head over embeddings"
            raise Misconfigured(message)
        self._wanted = ServedEncoder(encoder.encoder_id, encoder.precision)
        self._dimension = encoder.dimension
        self._embed = embed
        super().__init__(folder, head, threshold=threshold)

    @property
    def instances(self) -> int:
        """One: the batches wait for the embedder, which has several."""
        return 1

    @property
    def execution_provider(self) -> str:
        """What computes the embeddings, which is nearly all there is to compute."""
        return "embedder"

    def require(self, served: ServedEncoder) -> None:
        """Passes what the head was fitted to.

        Raises:
            HeadOfAnotherEncoder: It is something else.
        """
        if served != self._wanted:
            raise HeadOfAnotherEncoder(self.facts.name, wanted=self._wanted, served=served)

    def _seen(self, inputs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        embeddings = self._embed(quadrants_of(inputs))
        for embedding in embeddings:
            self.require(ServedEncoder(embedding.encoder_id, embedding.precision))
        rows = np.stack([embedding.values for embedding in embeddings])
        return rows.reshape(len(inputs), len(QUADRANTS), -1)

    def _trial(self) -> npt.NDArray[np.float32]:
        shape = (2, len(QUADRANTS), self._dimension)
        return np.full(shape, self._dimension**-0.5, np.float32)


def quadrants_of(inputs: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Cuts (n, 2h, 2w, 3) images into (4n, h, w, 3), in the order of `QUADRANTS`, image by image."""
    count, height_px, width_px, _ = inputs.shape
    halves = inputs.reshape(count, 2, height_px // 2, 2, width_px // 2, 3)
    return halves.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height_px // 2, width_px // 2, 3)
