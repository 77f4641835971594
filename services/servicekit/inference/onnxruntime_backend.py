"""ONNX Runtime, on the CPU or through CUDA."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import BackendName, BackendOptions, Batch
from services.servicekit.inference.errors import (
    BackendMissing,
    DeviceMemoryExhausted,
    ModelUnfit,
    PrecisionMissing,
)
from services.servicekit.inference.half_precision import to_half_precision
from services.servicekit.inference.pinned import pinned_empty
from services.servicekit.inference.shares import Shares
from services.servicekit.inference.spares import Spares

# Since 1.32 ONNX Runtime reports its use to its makers unless this is set before it is loaded
# (microsoft/onnxruntime#27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

_PROVIDERS: Final = {
    BackendName.ONNXRUNTIME: ("CPUExecutionProvider", "cpu"),
    BackendName.CUDA: ("CUDAExecutionProvider", "cuda"),
}
_CURES: Final = {
    BackendName.ONNXRUNTIME: "",
    BackendName.CUDA: ": pip uninstall onnxruntime, then pip install -c constraints.txt -e '.[gpu]'",
}
_PRECISIONS: Final = {
    BackendName.ONNXRUNTIME: (Precision.FP32,),
    BackendName.CUDA: (Precision.FP32, Precision.FP16),
}
# What ONNX Runtime's arena (at the card's end and at the limit that it was given), CUDA, cuBLAS and cuDNN say; there is
# no type or code for it.
_NO_MEMORY: Final = (
    "failed to allocate memory",
    "is smaller than requested bytes",
    "out of memory",
    "cudaerrormemoryallocation",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
)


@dataclass(frozen=True, slots=True)
class _Bound:
    """The buffers of one batch size, which are written again and again: memory does not grow."""

    binding: Any
    device: Any
    host: npt.NDArray[Any]


class OnnxRuntimeBackend:
    """A network in ONNX Runtime, which computes where it was asked to or does not start.

    ONNX Runtime itself would fall back to the CPU silently (microsoft/onnxruntime#23372).
    """

    def __init__(self, model: bytes, options: BackendOptions) -> None:
        """Loads a single-file ONNX model with one input.

        Args:
            model: The file's bytes, already checked against its digest.
            options: How to compute it; the backend is `onnxruntime` or `cuda`.

        Raises:
            ModelUnfit: The model does not load, or has other inputs or outputs.
            BackendMissing: The provider is not installed or does not start.
            PrecisionMissing: The provider does not compute in it.
        """
        provider, self._device = _PROVIDERS[options.backend]
        _require(options, provider)
        self.precision = options.precision
        # A GPU computes one batch after the other anyhow, and its memory is dear.
        self._shares = Shares.of(options) if self._device == "cpu" else Shares(1, options.threads)
        if self.precision is Precision.FP16:
            model = to_half_precision(model)
        self._session = _session(model, provider, options, self._shares.pool)
        if self._session.get_providers()[0] != provider:
            cause = f"was asked for, but {provider} does not start here"
            raise BackendMissing(options.backend.value, cause)
        names = [node.name for node in self._session.get_inputs()]
        if names != [options.input_name]:
            message = f"the model's inputs are {names}, not [{options.input_name!r}]"
            raise ModelUnfit(message)
        outputs = [node.name for node in self._session.get_outputs()]
        if not set(options.output_names) <= set(outputs):
            message = f"the model's outputs are {outputs}, not {list(options.output_names)}"
            raise ModelUnfit(message)
        self._input_name = options.input_name
        self._output_names = list(options.output_names) or outputs
        self._bound: Spares[tuple[int, ...], _Bound] = Spares()

    @property
    def execution_provider(self) -> str:
        """What computes."""
        return str(self._session.get_providers()[0])

    @property
    def instances(self) -> int:
        """Batches that it computes at once."""
        return self._shares.instances

    def run(self, batch: Batch) -> Sequence[npt.NDArray[np.float32]]:
        """Computes (n, …) of the input's type and returns the network's outputs.

        Raises:
            DeviceMemoryExhausted: The device has no memory for so many.
        """
        try:
            return self._run(batch)
        except Exception as error:
            if any(words in str(error).lower() for words in _NO_MEMORY):
                self._bound.drop(batch.shape)
                raise DeviceMemoryExhausted(len(batch)) from error
            raise

    def _run(self, batch: Batch) -> Sequence[npt.NDArray[np.float32]]:
        with self._bound.lent(batch.shape, lambda: self._bind(batch)) as bound:
            np.copyto(bound.host, batch)
            if self._device != "cpu":
                bound.device.update_inplace(bound.host)
            self._session.run_with_iobinding(bound.binding)
            return [np.array(value.numpy()) for value in bound.binding.get_outputs()]

    def _bind(self, batch: Batch) -> _Bound:
        empty = np.empty if self._device == "cpu" else pinned_empty
        host = empty(batch.shape, batch.dtype)
        # On the CPU this is the same memory.
        device = onnxruntime.OrtValue.ortvalue_from_numpy(host, self._device)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input_name, device)
        for name in self._output_names:
            binding.bind_output(name, "cpu")
        return _Bound(binding, device, host)


def has_cuda() -> bool:
    """Whether this installation of ONNX Runtime has the CUDA provider; whether it starts is another question."""
    return _PROVIDERS[BackendName.CUDA][0] in onnxruntime.get_available_providers()


def _require(options: BackendOptions, provider: str) -> None:
    backend = options.backend.value
    available = onnxruntime.get_available_providers()
    if provider not in available:
        has = ", ".join(available)
        cause = f"needs ONNX Runtime's {provider}, and this installation has only {has}"
        cause += _CURES[options.backend]
        raise BackendMissing(backend, cause)
    computed = _PRECISIONS[options.backend]
    if options.precision not in computed:
        cause = f"it has {' and '.join(one.lower() for one in computed)}"
        raise PrecisionMissing(backend, options.precision, cause)


def _session(
    model: bytes, provider: str, options: BackendOptions, threads: int
) -> onnxruntime.InferenceSession:
    settings: dict[str, str] = {}
    if options.backend is BackendName.CUDA:
        onnxruntime.preload_dlls()
        # TF32 would be another precision than the one that is stated. The arena grows by what is asked for, not to
        # the next power of two.
        settings = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
        if options.gpu_memory_bytes:
            settings["gpu_mem_limit"] = str(options.gpu_memory_bytes)
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = threads
    session_options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            model, session_options, providers=[(provider, settings)]
        )
    except Exception as error:
        message = f"the model does not load: {str(error).splitlines()[0][:200]}"
        raise ModelUnfit(message) from error
