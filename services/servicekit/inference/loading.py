"""Chooses the backend and loads the model into it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import Backend, BackendName, BackendOptions
from services.servicekit.inference.errors import BackendMissing, PrecisionMissing

_EXTRAS: Final = {
    BackendName.CUDA: "gpu",
    BackendName.OPENVINO: "openvino",
    BackendName.ONNXRUNTIME: "cpu",
}


def load_backend(model: bytes, options: BackendOptions) -> Backend:
    """Loads a single-file ONNX model into the backend that was asked for; nothing else stands in for it.

    `auto` is CUDA where ONNX Runtime has it and the precision is fp32 or fp16; else OpenVINO for bf16, which it
    computes faster than anything in fp32; else ONNX Runtime.

    Raises:
        ModelUnfit: The model does not load, or has other inputs or outputs.
        BackendMissing: The backend is not installed or does not start.
        PrecisionMissing: It does not compute in this precision.
    """
    name = options.backend
    if name is BackendName.AUTO:
        name = _chosen(options.precision)
    return _LOADERS[name](model, replace(options, backend=name))


def _chosen(precision: Precision) -> BackendName:
    if precision is not Precision.BF16 and _has_cuda():
        return BackendName.CUDA
    if precision is Precision.FP16:
        cause = "only cuda has fp16, and ONNX Runtime has no CUDA here"
        raise PrecisionMissing(BackendName.AUTO.value, precision, cause)
    return BackendName.OPENVINO if precision is Precision.BF16 else BackendName.ONNXRUNTIME


def _has_cuda() -> bool:
    try:
        backend = importlib.import_module("services.servicekit.inference.onnxruntime_backend")
    except ModuleNotFoundError:
        return False
    has: bool = backend.has_cuda()
    return has


def _onnxruntime(model: bytes, options: BackendOptions) -> Backend:
    try:
        from services.servicekit.inference.onnxruntime_backend import (  # noqa: PLC0415
            OnnxRuntimeBackend,
        )
    except ModuleNotFoundError as error:
        raise _missing(options, error) from error
    return OnnxRuntimeBackend(model, options)


def _openvino(model: bytes, options: BackendOptions) -> Backend:
    try:
        from services.servicekit.inference.openvino_backend import (  # noqa: PLC0415
            OpenVinoBackend,
        )
    except ModuleNotFoundError as error:
        raise _missing(options, error) from error
    return OpenVinoBackend(model, options)


def _missing(options: BackendOptions, error: ModuleNotFoundError) -> BackendMissing:
    cure = f"pip install -c constraints.txt -e '.[{_EXTRAS[options.backend]}]'"
    return BackendMissing(options.backend.value, f"needs {error.name}: {cure}")


_LOADERS: Final[Mapping[BackendName, Callable[[bytes, BackendOptions], Backend]]] = {
    BackendName.CUDA: _onnxruntime,
    BackendName.OPENVINO: _openvino,
    BackendName.ONNXRUNTIME: _onnxruntime,
}
