"""Chooses the backend and loads the model into it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import structlog

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

    `auto` is OpenVINO for bf16, which it computes faster than anything in fp32; CUDA for the others, where ONNX Runtime
    has it and it starts; else ONNX Runtime for fp32.

    Raises:
        ModelUnfit: The model does not load, or has other inputs or outputs.
        BackendMissing: The backend is not installed or does not start.
        PrecisionMissing: It does not compute in this precision.
    """
    if options.backend is not BackendName.AUTO:
        return _loaded(model, options, options.backend)
    if options.precision is Precision.BF16:
        return _loaded(model, options, BackendName.OPENVINO)
    if _has_cuda():
        try:
            return _loaded(model, options, BackendName.CUDA)
        except BackendMissing as error:
            # A wheel for GPUs on a machine without one.
            structlog.get_logger().warning("backend_passed_over", backend="cuda", cause=error.cause)
    if options.precision is Precision.FP16:
        cause = "only cuda has fp16, and there is no CUDA here"
        raise PrecisionMissing(BackendName.AUTO.value, options.precision, cause)
    return _loaded(model, options, BackendName.ONNXRUNTIME)


def _loaded(model: bytes, options: BackendOptions, name: BackendName) -> Backend:
    return _LOADERS[name](model, replace(options, backend=name))


def _has_cuda() -> bool:
    try:
        backend = importlib.import_module("services.servicekit.inference.onnxruntime_backend")
    except ImportError:
        return False
    has: bool = backend.has_cuda()
    return has


def _onnxruntime(model: bytes, options: BackendOptions) -> Backend:
    try:
        from services.servicekit.inference.onnxruntime_backend import (  # noqa: PLC0415
            OnnxRuntimeBackend,
        )
    except ImportError as error:
        raise _missing(options, error) from error
    return OnnxRuntimeBackend(model, options)


def _openvino(model: bytes, options: BackendOptions) -> Backend:
    try:
        from services.servicekit.inference.openvino_backend import (  # noqa: PLC0415
            OpenVinoBackend,
        )
    except ImportError as error:
        raise _missing(options, error) from error
    return OpenVinoBackend(model, options)


def _missing(options: BackendOptions, error: ImportError) -> BackendMissing:
    cure = f"pip install -c constraints.txt -e '.[{_EXTRAS[options.backend]}]'"
    what = error.name if isinstance(error, ModuleNotFoundError) else f"another build ({error})"
    return BackendMissing(options.backend.value, f"needs {what}: {cure}")


_LOADERS: Final[Mapping[BackendName, Callable[[bytes, BackendOptions], Backend]]] = {
    BackendName.CUDA: _onnxruntime,
    BackendName.OPENVINO: _openvino,
    BackendName.ONNXRUNTIME: _onnxruntime,
}
