from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from services.servicekit.embedding import Precision
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName, BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from tests.fakes.onnx_files import UINT8, cast_model


def load(model: bytes, backend: BackendName = BackendName.ONNXRUNTIME) -> OnnxRuntimeBackend:
    return OnnxRuntimeBackend(model, BackendOptions(backend=backend, threads=1))


@pytest.mark.parametrize("count", [1, 3])
def test_a_network_computes_batches_of_any_size(count):
    """One output per output of the graph, in float32."""
    pixels = np.arange(count * 12, dtype=np.uint8).reshape(count, 2, 2, 3)
    backend = load(cast_model())

    [floats] = backend.run(pixels)

    assert floats.dtype == np.float32
    assert np.array_equal(floats, pixels)
    assert backend.execution_provider == "CPUExecutionProvider"
    assert backend.precision is Precision.FP32


def test_a_provider_that_is_not_installed_stops_the_start(monkeypatch):
    """Nothing falls back to the CPU; the sentence says what there is instead."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    with pytest.raises(Misconfigured, match=r"'cuda' needs .*CUDAExecutionProvider.* has only CPU"):
        load(cast_model(), BackendName.CUDA)


class CpuOnlySession:
    """What ONNX Runtime gives when CUDA is installed but does not start."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_provider_that_does_not_start_stops_the_start(monkeypatch):
    """ONNX Runtime itself goes on with the CPU (microsoft/onnxruntime#23372)."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", CpuOnlySession)

    with pytest.raises(Misconfigured, match=r"'cuda' was asked for, .*does not start here"):
        load(cast_model(), BackendName.CUDA)


@pytest.mark.parametrize("model", [b"", b"no model", cast_model()[:-20]])
def test_a_file_that_is_no_model_stops_the_start(model):
    """With one line."""
    with pytest.raises(Misconfigured, match=r"^the model does not load: ") as caught:
        load(model)

    assert "\n" not in str(caught.value)


def test_a_model_with_another_input_stops_the_start():
    """A graph that normalises outside itself, say."""
    with pytest.raises(Misconfigured, match=r"inputs are \['images'\], not \['pixels'\]"):
        load(cast_model(input_name="images", input_type=UINT8))
