"""The detector: a verified folder and the backend that computes its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.servicekit.errors import FailedPrecondition, Misconfigured
from services.servicekit.inference.backend import Backend
from services.servicekit.inference.bucketed_backend import BucketedBackend
from services.servicekit.inference.buckets import Buckets
from services.watermark.detector_folder import QUADRANTS, DetectorFolder


class DetectorUnfit(Misconfigured):
    """The network does not compute what a detector must.

    Attributes:
        path: The detector's folder.
        problem: What it computes instead.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: this detector cannot be used: {problem}")
        self.path = path
        self.problem = problem


class NoProbabilities(FailedPrecondition):
    """The network fits, but what it gives for these images are no probabilities: none of them has a verdict.

    Attributes:
        name: The detector.
        problem: What it gives instead.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"detector {name!r} gives no verdict: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector says of one image.

    Attributes:
        probability: Of the whole image, [0, 1].
        quadrant_probabilities: [0, 1] each, in the order of `QUADRANTS`.
        threshold: Over this the image is watermarked; exactly this passes.
    """

    probability: float
    quadrant_probabilities: tuple[float, ...]
    threshold: float

    @property
    def watermarked(self) -> bool:
        """Whether the probability is over the threshold; what is no number is never at or under it."""
        passes = self.probability <= self.threshold
        return not passes


class Detector:
    """Finds watermarks in images of the input's size; `detect` is called from a thread for each instance."""

    def __init__(
        self, folder: DetectorFolder, backend: Backend, *, threshold: float | None
    ) -> None:
        """Computes two images to see that the network fits.

        Args:
            folder: What the detector is.
            backend: Computes its network.
            threshold: Instead of the detector's own; None keeps that.

        Raises:
            DetectorUnfit: The network does not give probabilities of image and quadrants.
        """
        self.facts = folder.description
        self._path = folder.path
        self.threshold = folder.description.threshold if threshold is None else threshold
        self._backend = backend
        self._check()

    @property
    def execution_provider(self) -> str:
        """What computes, for example `CPUExecutionProvider`."""
        return self._backend.execution_provider

    @property
    def instances(self) -> int:
        """Batches that it judges at once."""
        return self._backend.instances

    def detect(self, inputs: npt.NDArray[np.uint8]) -> list[Detection]:
        """Judges (n, input_height_px, input_width_px, 3) uint8 RGB; one detection each.

        Raises:
            NoProbabilities: The network gives NaN, or what is not in [0, 1], for one of them.
        """
        outputs = self._backend.run(self._seen(inputs))
        problem = _problem(outputs, len(inputs))
        if problem:
            raise NoProbabilities(self.facts.name, problem)
        probabilities, quadrants = outputs
        return [
            Detection(float(probability), tuple(map(float, four)), self.threshold)
            for probability, four in zip(probabilities, quadrants, strict=True)
        ]

    def warm_up(self, max_batch: int) -> Buckets:
        """Computes black images in every batch size there will be, so that the first caller does not wait longer.

        Returns:
            The sizes up to the one that pays, `max_batch` at most, and what each takes.

        Raises:
            DetectorUnfit: The network fails for a batch.
        """
        try:
            backend = BucketedBackend(self._backend, self._trial()[:1], max_batch=max_batch)
        except Exception as error:
            raise self._fails(error) from error
        self._backend = backend
        return backend.buckets

    def _fails(self, error: Exception) -> DetectorUnfit:
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        return DetectorUnfit(self._path, f"its network fails: {cause}")

    def _seen(
        self, inputs: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
        """What the network gets of the images; the images themselves."""
        return inputs

    def _trial(self) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
        """Two images for the network to be tried with: black."""
        return np.zeros((2, self.facts.input_height_px, self.facts.input_width_px, 3), np.uint8)

    def _check(self) -> None:
        trial = self._trial()
        try:
            outputs = self._backend.run(trial)
        except Exception as error:
            raise self._fails(error) from error
        problem = _problem(outputs, len(trial))
        if problem:
            raise DetectorUnfit(self._path, problem)


def _problem(outputs: Sequence[npt.NDArray[np.float32]], count: int) -> str:
    """What is wrong with the outputs for this many images; empty if they are probabilities."""
    wanted = [(count,), (count, len(QUADRANTS))]
    shapes = [output.shape for output in outputs]
    if shapes != wanted:
        return f"its outputs for {count} images are {shapes}, not {wanted}"
    for output in outputs:
        wrong = output[~((output >= 0) & (output <= 1))]
        if wrong.size:
            return f"its outputs are not probabilities, but for example {wrong.flat[0]:g}"
    return ""
