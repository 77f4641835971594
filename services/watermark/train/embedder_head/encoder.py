"""An encoder as the embedder serves it, for the quadrants of images."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.resize import InputShape
from services.watermark.detector_folder import QUADRANTS, HeadEncoder
from services.watermark.head_detector import quadrants_of

DEFAULT_ENCODER: Final = "efficientnet-lite0"
"""The one that the embedder serves if nothing else is said."""

_BATCH: Final = 8


class QuadrantEncoder:
    """Embeds the quadrants of images, as the watermark service asks the embedder to.

    Args:
        folder: The encoder.
        threads: CPU threads; 0 is one per core.

    Raises:
        Misconfigured: The encoder does not load.
    """

    def __init__(self, folder: EncoderFolder, *, threads: int) -> None:
        self._folder = folder
        self._backend = OnnxRuntimeBackend(
            folder.read_model(), backend=BackendName.ONNXRUNTIME, threads=threads
        )

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self._folder.name

    @property
    def facts(self) -> HeadEncoder:
        """What a head over its embeddings states."""
        return HeadEncoder(
            encoder_id=self._folder.encoder_id,
            precision=self._backend.precision,
            dimension=self._folder.dimension,
        )

    @property
    def shape(self) -> InputShape:
        """The size of an image whose quadrants are the encoder's inputs: nothing is resized after they are cut."""
        return InputShape(2 * self._folder.input_width_px, 2 * self._folder.input_height_px)

    def embed(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(n, height, width, 3) uint8 RGB of `shape` → (n, 4, dimension) float32, in the order of `QUADRANTS`.

        Raises:
            Misconfigured: The encoder does not give one embedding per quadrant.
        """
        batches = [
            self._backend.run(quadrants_of(images[start : start + _BATCH]))[0]
            for start in range(0, len(images), _BATCH)
        ]
        embeddings = np.concatenate(batches)
        expected = (len(images) * len(QUADRANTS), self._folder.dimension)
        if embeddings.shape != expected:
            message = (
                f"encoder {self.name!r} gives {embeddings.shape} for quadrants, not {expected}"
            )
            raise Misconfigured(message)
        return embeddings.reshape(len(images), len(QUADRANTS), -1)
