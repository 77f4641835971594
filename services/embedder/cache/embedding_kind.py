"""All that an embedding depends on besides its image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.embedder.cache.entry import Entry
from services.servicekit.computed import Computed
from services.servicekit.embedding import Precision

Values = npt.NDArray[np.float32]

# Of the squared L2 norm: that of the norm, 0.001, twice.
_SQUARE_TOLERANCE = 2e-3


@dataclass(frozen=True, slots=True)
class EmbeddingKind:
    """Embeddings that can stand for one another.

    The execution provider is not part of it: within one precision, what CUDA, OpenVINO and ONNX Runtime compute of an
    image has a cosine of at least 0.9999, as have two batch sizes of the same one, and what tells replicas apart that
    may stand in for each other must not make a cache miss. Neither is the ONNX file: the encoder id is the same for all
    graphs that were exported from the same weights.

    Attributes:
        encoder_id: 64 hex digits.
        precision: What is computed in.
        dimension: Values of one embedding.
        preparation: How images become inputs (`resize.PREPARATION`).
    """

    encoder_id: str
    precision: Precision
    dimension: int
    preparation: str

    def key(self, digest: bytes) -> bytes:
        """The key of an image, 32 bytes."""
        parts = (self.encoder_id, self.precision, str(self.dimension), self.preparation)
        return hashlib.sha256("\0".join(parts).encode() + b"\0" + digest).digest()

    def entry(self, key: bytes, computed: Computed[Values]) -> Entry | None:
        """What is kept; None if the value is no embedding of this kind (a value is not finite, the norm is not 1)."""
        if computed.value.dtype != np.float32 or not self._fits(computed.value):
            return None
        embedding = computed.value.astype("<f4").tobytes()
        return Entry(key, embedding, computed.width_px, computed.height_px)

    def computed(self, entry: Entry) -> Computed[Values] | None:
        """What was kept, bit by bit; None if it is no embedding of this kind."""
        if len(entry.embedding) != 4 * self.dimension:
            return None
        value = np.frombuffer(entry.embedding, "<f4").astype(np.float32, copy=False)
        return Computed(value, entry.width_px, entry.height_px) if self._fits(value) else None

    def _fits(self, value: Values) -> bool:
        if value.shape != (self.dimension,):
            return False
        return abs(float(np.dot(value, value)) - 1.0) <= _SQUARE_TOLERANCE
