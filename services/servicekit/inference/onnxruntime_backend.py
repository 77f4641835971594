"""ONNX Runtime, on the CPU or through CUDA."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.servicekit.embedding import Precision
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName

# Since 1.32 ONNX Runtime reports its use to its makers unless this is set before it is loaded
# (microsoft/onnxruntime#27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

_PROVIDERS = {
    BackendName.ONNXRUNTIME: "CPUExecutionProvider",
    BackendName.CUDA: "CUDAExecutionProvider",
}


class ModelUnfit(Misconfigured):
    """The model does not load, or has other inputs and outputs than it should."""


class OnnxRuntimeBackend:
    """A network in ONNX Runtime, which computes where it was asked to or does not start.

    ONNX Runtime itself would fall back to the CPU silently (microsoft/onnxruntime#23372).
    """

    def __init__(
        self,
        model: bytes,
        *,
        backend: BackendName,
        threads: int,
        input_name: str = "pixels",
        output_names: Sequence[str] = (),
    ) -> None:
        """Loads a single-file ONNX model with one input, as a rule uint8 `pixels` (n, height, width, 3).

        Args:
            model: The file's bytes, already checked against its digest.
            backend: Where to compute.
            threads: CPU threads; 0 is one per core.
            input_name: What the model's one input is called.
            output_names: The outputs that are computed, in the order of `run`; none are all, in the model's.

        Raises:
            ModelUnfit: The model does not load, or has other inputs or outputs.
            Misconfigured: The backend is not there.
        """
        provider = _PROVIDERS[backend]
        available = onnxruntime.get_available_providers()
        if provider not in available:
            message = (
                f"backend {backend.value!r} needs ONNX Runtime's {provider}, "
                f"and this installation has only {', '.join(available)}"
            )
            raise Misconfigured(message)
        if backend is BackendName.CUDA:
            onnxruntime.preload_dlls()
        self._session = _session(model, provider, threads)
        if self._session.get_providers()[0] != provider:
            message = f"backend {backend.value!r} was asked for, but {provider} does not start here"
            raise Misconfigured(message)
        names = [node.name for node in self._session.get_inputs()]
        if names != [input_name]:
            message = f"the model's inputs are {names}, not [{input_name!r}]"
            raise ModelUnfit(message)
        outputs = [node.name for node in self._session.get_outputs()]
        if not set(output_names) <= set(outputs):
            message = f"the model's outputs are {outputs}, not {list(output_names)}"
            raise ModelUnfit(message)
        self._input_name = input_name
        self._output_names = list(output_names) or outputs

    @property
    def execution_provider(self) -> str:
        """What computes."""
        return str(self._session.get_providers()[0])

    @property
    def precision(self) -> Precision:
        """Always single precision, on either provider."""
        return Precision.FP32

    def run(
        self, batch: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    ) -> Sequence[npt.NDArray[np.float32]]:
        """Computes (n, …) of the input's type and returns the network's outputs."""
        outputs: Sequence[npt.NDArray[np.float32]]
        outputs = self._session.run(self._output_names, {self._input_name: batch})
        return outputs


def _session(model: bytes, provider: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # TF32 would be another precision than the one that is stated.
    settings = {"use_tf32": "0"} if provider == "CUDAExecutionProvider" else {}
    try:
        return onnxruntime.InferenceSession(model, options, providers=[(provider, settings)])
    except Exception as error:
        message = f"the model does not load: {str(error).splitlines()[0][:200]}"
        raise ModelUnfit(message) from error
