"""OpenVINO on the CPU: bfloat16 where the CPU has instructions for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import openvino

from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import BackendOptions, Batch
from services.servicekit.inference.errors import (
    DeviceMemoryExhausted,
    ModelUnfit,
    PrecisionMissing,
)
from services.servicekit.inference.shares import Shares
from services.servicekit.inference.spares import Spares

_DEVICE: Final = "CPU"
_HINTS: Final = {Precision.FP32: "f32", Precision.BF16: "bf16"}


class OpenVinoBackend:
    """A network in OpenVINO, compiled once; each batch size has requests of its own, with their buffers."""

    def __init__(self, model: bytes, options: BackendOptions) -> None:
        """Loads a single-file ONNX model with one input.

        Raises:
            ModelUnfit: The model does not load, or has other inputs or outputs.
            PrecisionMissing: This CPU does not compute in it.
        """
        core = openvino.Core()
        _require(options, core)
        self.precision = options.precision
        network = _read(core, model)
        names = [port.any_name for port in network.inputs]
        if names != [options.input_name]:
            message = f"the model's inputs are {names}, not [{options.input_name!r}]"
            raise ModelUnfit(message)
        outputs = [port.any_name for port in network.outputs]
        if not set(options.output_names) <= set(outputs):
            message = f"the model's outputs are {outputs}, not {list(options.output_names)}"
            raise ModelUnfit(message)
        shares = Shares.of(options)
        self.instances = shares.instances
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[options.precision],
            "INFERENCE_NUM_THREADS": shares.threads,
            "NUM_STREAMS": self.instances,
        }
        self._compiled = _compile(core, network, settings)
        self._places = [outputs.index(name) for name in options.output_names or outputs]
        self._requests: Spares[int, openvino.InferRequest] = Spares()

    @property
    def execution_provider(self) -> str:
        """What computes; ONNX Runtime's provider of that name is something else and not used."""
        return "OpenVINO"

    def run(self, batch: Batch) -> Sequence[npt.NDArray[np.float32]]:
        """Computes (n, …) of the input's type and returns the network's outputs.

        Raises:
            DeviceMemoryExhausted: There is no memory for so many.
        """
        try:
            return self._run(batch)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, MemoryError) or "alloc" in str(error).lower():
                self._requests.drop(len(batch))
                raise DeviceMemoryExhausted(len(batch)) from error
            raise

    def _run(self, batch: Batch) -> Sequence[npt.NDArray[np.float32]]:
        with self._requests.lent(len(batch), self._compiled.create_infer_request) as request:
            request.infer({0: np.ascontiguousarray(batch)}, share_inputs=True)
            # The request writes its next outputs over these.
            return [request.get_output_tensor(place).data.copy() for place in self._places]


def computes_bf16() -> bool:
    """Whether OpenVINO says that bfloat16 pays on this CPU: AMX or AVX512-BF16."""
    return "BF16" in openvino.Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")


def _require(options: BackendOptions, core: openvino.Core) -> None:
    backend, precision = options.backend.value, options.precision
    if precision not in _HINTS:
        raise PrecisionMissing(backend, precision, "it has fp32, and bf16 where the CPU has it")
    capabilities = core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
    if precision is Precision.BF16 and "BF16" not in capabilities:
        raise PrecisionMissing(backend, precision, "this CPU has no instructions for it")


def _read(core: openvino.Core, model: bytes) -> openvino.Model:
    try:
        return core.read_model(model)
    except RuntimeError as error:
        raise _unfit(error) from error


def _compile(
    core: openvino.Core, network: openvino.Model, settings: dict[str, Any]
) -> openvino.CompiledModel:
    try:
        return core.compile_model(network, _DEVICE, settings)
    except RuntimeError as error:
        raise _unfit(error) from error


def _unfit(error: RuntimeError) -> ModelUnfit:
    lines = [line for line in str(error).splitlines() if line.strip()]
    cause = lines[-1][:200] if lines else "it is no ONNX file"
    return ModelUnfit(f"the model does not load: {cause}")
