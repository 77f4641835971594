"""A backend without a network: deterministic unit vectors from the pixels."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Precision
from services.servicekit.encoder_description import EncoderWeights
from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.resize import ResizeRule

_BLOCKS = 8


class FakeBackend:
    """Projects the means of 8×8 blocks with fixed random weights; alike images are near each other.

    Attributes:
        batch_sizes: The sizes of the batches that were computed.
    """

    execution_provider = "FakeExecutionProvider"
    instances = 1
    precision = Precision.FP32

    def __init__(self, dimension: int = 64) -> None:
        random = np.random.default_rng(0)
        self._weights = random.normal(0, 1, (_BLOCKS * _BLOCKS * 3, dimension))
        self._offset = random.normal(0, 1, dimension)
        self._free = threading.Event()
        self._free.set()
        self._held = threading.Event()
        self.batch_sizes: list[int] = []

    def run(self, batch: npt.NDArray[np.uint8]) -> Sequence[npt.NDArray[np.float32]]:
        if not self._free.is_set():
            self._held.set()
        self._free.wait()
        self.batch_sizes.append(len(batch))
        count, height_px, width_px, _ = batch.shape
        blocks = batch.reshape(
            count, _BLOCKS, height_px // _BLOCKS, _BLOCKS, width_px // _BLOCKS, 3
        ).mean(axis=(2, 4))
        vectors = (blocks.reshape(count, -1) / 127.5 - 1) @ self._weights + self._offset
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return [(vectors / norms).astype(np.float32)]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Computes nothing inside the block."""
        self._held.clear()
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def wait_until_held(self) -> None:
        """Returns when a batch waits for the end of the pause."""
        assert self._held.wait(10)


def fake_encoder_folder(*, dimension: int = 64, side_px: int = 64) -> EncoderFolder:
    """The facts of an encoder that FakeBackend computes; there is no folder behind them."""
    return EncoderFolder(
        encoder_id="f" * 64,
        name="fake",
        architecture="fake",
        weights=EncoderWeights("none", "none", "0" * 64),
        dimension=dimension,
        input_width_px=side_px,
        input_height_px=side_px,
        resize=ResizeRule.SQUASH,
        interpolation="bicubic",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        opset=18,
        sha256="e" * 64,
        precision="fp32",
        path=Path("nowhere"),
    )
