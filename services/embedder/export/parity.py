"""Compares an exported graph with the network it was traced from."""

from __future__ import annotations

import numpy as np
import torch

from services.embedder.export.errors import NotExportable
from services.embedder.export.image_encoder import ImageEncoder
from services.embedder.export.tower import ImageTower
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend

TOLERANCE = 1e-4
"""The largest difference of any coordinate that passes; the embeddings have length 1."""

# Not the batch size that the graph was traced with.
_BATCH = 3


def check_parity(tower: ImageTower, model: bytes) -> None:
    """Computes noise with both.

    Raises:
        NotExportable: They differ.
    """
    side = tower.preprocessing
    shape = (_BATCH, side.input_height_px, side.input_width_px, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with torch.no_grad():
        expected = ImageEncoder(tower)(torch.from_numpy(pixels)).numpy()
    backend = OnnxRuntimeBackend(model, BackendOptions(threads=0))
    difference = float(np.abs(backend.run(pixels)[0] - expected).max())
    # Written so that NaN does not pass.
    if not difference <= TOLERANCE:
        problem = f"the graph and torch differ by {difference:.1e}, over {TOLERANCE:.0e}"
        raise NotExportable(tower.name, problem)
