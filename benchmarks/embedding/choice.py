"""What computes each encoder: the backends with the precisions that are measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import BackendName, BackendOptions

_OF_BACKEND: Final = {
    BackendName.ONNXRUNTIME: (Precision.FP32,),
    BackendName.OPENVINO: (Precision.FP32, Precision.BF16),
    BackendName.CUDA: (Precision.FP32, Precision.FP16),
}
# What `auto` takes on a CPU, and what is there besides with CUDA.
_ON_CPU: Final = (
    (BackendName.ONNXRUNTIME, Precision.FP32),
    (BackendName.OPENVINO, Precision.BF16),
)
_WITH_CUDA: Final = tuple((BackendName.CUDA, one) for one in _OF_BACKEND[BackendName.CUDA])


def choices(
    backend: BackendName, precisions: Iterable[Precision], *, has_cuda: bool
) -> list[BackendOptions]:
    """What is measured, in turn.

    Args:
        backend: All that it computes in; `auto` is what it takes on a CPU, and CUDA beside it.
        precisions: Only these; none are all.
        has_cuda: Whether ONNX Runtime has CUDA here. Without it `auto` leaves CUDA out.
    """
    if backend is BackendName.AUTO:
        pairs = _ON_CPU + (_WITH_CUDA if has_cuda else ())
    else:
        pairs = tuple((backend, one) for one in _OF_BACKEND[backend])
    wanted = set(precisions)
    return [BackendOptions(name, one) for name, one in pairs if not wanted or one in wanted]


def label(options: BackendOptions) -> str:
    """How it is called in the report: `onnxruntime fp32`."""
    return f"{options.backend.value} {options.precision.lower()}"
