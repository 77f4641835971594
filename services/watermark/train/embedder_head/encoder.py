"""An encoder as the embedder serves it, for the quadrants of images."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Embedding
from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.resize import InputShape
from services.watermark.detector_folder import QUADRANTS, HeadEncoder
from services.watermark.head_detector import ServedEncoder, quadrants_of

_BATCH: Final = 8


class QuadrantEncoder:
    """Embeds the quadrants of images, as the watermark service has the embedder do it.

    Args:
        folder: The encoder.
        threads: CPU threads; 0 is one per core.

    Raises:
        Misconfigured: The encoder does not load.
    """

    def __init__(self, folder: EncoderFolder, *, threads: int) -> None:
        self._folder = folder
        self._backend = OnnxRuntimeBackend(folder.read_model(), BackendOptions(threads=threads))

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self._folder.name

    @property
    def served(self) -> ServedEncoder:
        """What its embeddings come from."""
        return ServedEncoder(self._folder.encoder_id, self._backend.precision)

    @property
    def facts(self) -> HeadEncoder:
        """What a head over its embeddings states."""
        served = self.served
        return HeadEncoder(
            encoder_id=served.encoder_id,
            precision=served.precision,
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
            self._run(quadrants_of(images[start : start + _BATCH]))
            for start in range(0, len(images), _BATCH)
        ]
        return np.concatenate(batches).reshape(len(images), len(QUADRANTS), -1)

    def embed_each(self, inputs: npt.NDArray[np.uint8]) -> list[Embedding]:
        """Embeds (n, input_height_px, input_width_px, 3) uint8 RGB, in their order, as `HeadDetector` asks for it.

        Raises:
            Misconfigured: The encoder does not give one embedding per input.
        """
        served = self.served
        return [Embedding(row, served.encoder_id, served.precision) for row in self._run(inputs)]

    def _run(self, inputs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        embeddings = self._backend.run(inputs)[0]
        expected = (len(inputs), self._folder.dimension)
        if embeddings.shape != expected:
            given = f"{embeddings.shape} for {len(inputs)} inputs"
            message = f"encoder {self.name!r} gives {given}, not {expected}"
            raise Misconfigured(message)
        return embeddings
