"""What computes a detector's model."""

from __future__ import annotations

from dataclasses import replace

from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName, BackendOptions
from services.servicekit.inference.errors import ModelUnfit
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.watermark.config import WatermarkBackend
from services.watermark.detector import DetectorUnfit
from services.watermark.detector_folder import (
    HEAD_INPUT,
    OUTPUTS,
    DetectorFolder,
    DetectorKind,
)


def detector_backend(
    folder: DetectorFolder, backend: WatermarkBackend, *, threads: int, instances: int = 1
) -> OnnxRuntimeBackend:
    """Loads the model; that of a head, which takes embeddings, on the CPU: it is next to nothing to compute.

    Args:
        folder: The detector.
        backend: What is to compute it.
        threads: CPU threads; 0 is one per core.
        instances: Batches that a CPU computes at once.

    Raises:
        DetectorUnfit: The model does not load, or has other inputs or outputs than a detector's.
        Misconfigured: The backend is not there, or does not compute this kind of detector.
    """
    _require_fit(folder, backend)
    try:
        options = BackendOptions(threads=threads, instances=instances, output_names=OUTPUTS)
        return _load(folder, backend, options)
    except ModelUnfit as error:
        raise DetectorUnfit(folder.path, str(error)) from error


def _load(
    folder: DetectorFolder, backend: WatermarkBackend, options: BackendOptions
) -> OnnxRuntimeBackend:
    if backend is WatermarkBackend.EMBEDDER:
        options = replace(options, input_name=HEAD_INPUT, instances=1)
    else:
        options = replace(options, backend=BackendName(backend))
    return OnnxRuntimeBackend(folder.model, options)


def _require_fit(folder: DetectorFolder, backend: WatermarkBackend) -> None:
    """Refuses a head where a network is asked for, and the other way round."""
    is_head = folder.description.kind is DetectorKind.EMBEDDER_HEAD
    if is_head == (backend is WatermarkBackend.EMBEDDER):
        return
    what = "a head over the embedder's embeddings" if is_head else "a network of its own"
    cure = "embedder" if is_head else "onnxruntime or cuda"
    message = f"{folder.path}: this detector is {what}: its backend is {cure}, not {backend.value}"
    raise Misconfigured(message)
