"""The encoder: a verified folder and the backend that computes its network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Precision
from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.errors import FailedPrecondition, Misconfigured
from services.servicekit.inference.backend import Backend
from services.servicekit.inference.bucketed_backend import BucketedBackend
from services.servicekit.inference.buckets import Buckets

_NORM_TOLERANCE = 1e-3


class EncoderUnfit(Misconfigured):
    """The network does not compute what its folder says.

    Attributes:
        name: The encoder.
        problem: What it computes instead.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"encoder {name!r} cannot be served: {problem}")
        self.name = name
        self.problem = problem


class NoEmbeddings(FailedPrecondition):
    """The network fits, but what it gives for these images are no embeddings: none of them has a value.

    Attributes:
        name: The encoder.
        norm: The L2 norm of one of them, in place of 1; NaN if values are.
    """

    def __init__(self, name: str, norm: float) -> None:
        super().__init__(
            f"encoder {name!r} gives no embeddings: the L2 norm of one is {norm:g}, not 1"
        )
        self.name = name
        self.norm = norm


class Encoder:
    """Turns images of the input's size into embeddings; `embed` is called from a thread for each instance.

    Attributes:
        facts: What the encoder is.
    """

    def __init__(self, folder: EncoderFolder, backend: Backend) -> None:
        """Computes one black image to see that the network fits the folder.

        Raises:
            EncoderUnfit: It does not.
        """
        self.facts = folder
        self._backend = backend
        self._check(self._run_black(1), 1)

    @property
    def precision(self) -> Precision:
        """The number format that it computes in."""
        return self._backend.precision

    @property
    def execution_provider(self) -> str:
        """What computes, for example `CPUExecutionProvider`."""
        return self._backend.execution_provider

    @property
    def instances(self) -> int:
        """Batches that it computes at once."""
        return self._backend.instances

    def embed(self, inputs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embeds (n, input_height_px, input_width_px, 3) uint8 RGB as (n, dimension) float32, L2 norm 1.

        Raises:
            NoEmbeddings: The network gives NaN, or another length, for one of them: half precision overflows.
        """
        embeddings = self._backend.run(inputs)[0]
        norm = _unlike_one(embeddings)
        if norm is not None:
            raise NoEmbeddings(self.facts.name, norm)
        return embeddings

    def warm_up(self, max_batch: int) -> Buckets:
        """Computes black images in every batch size there will be, so that the first caller does not wait longer.

        Returns:
            The sizes up to the one that pays, `max_batch` at most, and what each takes.

        Raises:
            EncoderUnfit: The network does not give one embedding per image.
        """
        try:
            backend = BucketedBackend(self._backend, self._black(1), max_batch=max_batch)
        except Exception as error:
            raise self._fails(error) from error
        self._backend = backend
        self._check(self._run_black(max_batch), max_batch)
        return backend.buckets

    def _black(self, size: int) -> npt.NDArray[np.uint8]:
        return np.zeros((size, self.facts.input_height_px, self.facts.input_width_px, 3), np.uint8)

    def _fails(self, error: Exception) -> EncoderUnfit:
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        return EncoderUnfit(self.facts.name, f"its network fails: {cause}")

    def _run_black(self, size: int) -> npt.NDArray[np.float32]:
        try:
            outputs = self._backend.run(self._black(size))
        except Exception as error:
            raise self._fails(error) from error
        if len(outputs) != 1:
            problem = f"its network has {len(outputs)} outputs, not one"
            raise EncoderUnfit(self.facts.name, problem)
        return outputs[0]

    def _check(self, embeddings: npt.NDArray[np.float32], size: int) -> None:
        expected = (size, self.facts.dimension)
        if embeddings.shape != expected or embeddings.dtype != np.float32:
            problem = (
                f"its network gives {embeddings.shape} {embeddings.dtype} for {size} images, "
                f"not {expected} float32"
            )
            raise EncoderUnfit(self.facts.name, problem)
        norm = _unlike_one(embeddings)
        if norm is not None:
            problem = f"the L2 norm of an embedding is {norm:g}, not 1"
            raise EncoderUnfit(self.facts.name, problem)


def _unlike_one(embeddings: npt.NDArray[np.float32]) -> float | None:
    """The first L2 norm that is not 1; None if all are."""
    norms = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    wrong = norms[~(np.abs(norms - 1.0) <= _NORM_TOLERANCE)]
    return float(wrong[0]) if wrong.size else None
