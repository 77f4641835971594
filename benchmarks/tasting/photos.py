"""Photos on disk as embeddings of the bundled encoder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from services.embedder.encoder import Encoder
from services.novelty.mixture import Embeddings
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.image import DecodeLimits, open_image
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.resize import inputs_of

ENCODER: Final = "efficientnet-lite0"

_BATCH: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Photos of one kind.

    Attributes:
        embeddings: (n, dimension).
        sources: (n,): where each is from, by its file name up to the first underscore.
    """

    embeddings: Embeddings
    sources: tuple[str, ...]


class PhotoReader:
    """Reads folders of photos with the bundled encoder."""

    def __init__(self) -> None:
        folder = load_encoder_folder(ENCODERS.find(ENCODER, Path("data")))
        threads = len(os.sched_getaffinity(0))
        backend = OnnxRuntimeBackend(folder.read_model(), BackendOptions(threads=threads))
        self._encoder = Encoder(folder, backend)

    def read(self, *folders: Path, leaving_out: frozenset[int] = frozenset()) -> Photos:
        """Embeds every file of the folders, each sorted by name, but those at `leaving_out`."""
        paths = [path for folder in folders for path in sorted(folder.iterdir())]
        paths = [path for position, path in enumerate(paths) if position not in leaving_out]
        shape = {"encoder": self._encoder.facts.input_shape}
        parts = []
        for start in range(0, len(paths), _BATCH):
            opened = [
                open_image(path.read_bytes(), DecodeLimits())
                for path in paths[start : start + _BATCH]
            ]
            inputs = np.stack([inputs_of(image, shape)["encoder"] for image in opened])
            parts.append(self._encoder.embed(inputs))
        sources = tuple(path.name.split("_")[0] for path in paths)
        return Photos(np.concatenate(parts), sources)
