from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.embedding import Precision
from services.servicekit.encoder_folder import ENCODERS, load_encoder_folder
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName, BackendOptions
from services.servicekit.inference.errors import PrecisionMissing
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.inference.openvino_backend import OpenVinoBackend, computes_bf16
from tests.fakes.image_files import photo
from tests.fakes.onnx_files import cast_model

OPTIONS = BackendOptions(backend=BackendName.OPENVINO, threads=1)


@pytest.fixture(scope="module")
def lite0() -> bytes:
    return load_encoder_folder(ENCODERS.bundled / "efficientnet-lite0").read_model()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack([photo(224, 224, seed=seed) for seed in range(4)])


def test_batches_of_any_size_in_any_order():
    """A larger one after a smaller one too; what was given before stays as it was."""
    backend = OpenVinoBackend(cast_model(), OPTIONS)
    batches = [
        np.random.default_rng(n).integers(0, 256, (n, 2, 2, 3), np.uint8) for n in (1, 3, 1, 2)
    ]

    computed = [backend.run(batch)[0] for batch in batches]

    for batch, floats in zip(batches, computed, strict=True):
        assert floats.dtype == np.float32
        assert np.array_equal(floats, batch)


def test_it_computes_what_onnx_runtime_computes(lite0, pixels):
    """In single precision, to rounding."""
    expected = OnnxRuntimeBackend(lite0, BackendOptions(threads=1)).run(pixels)[0]

    backend = OpenVinoBackend(lite0, OPTIONS)

    assert np.abs(backend.run(pixels)[0] - expected).max() < 1e-4
    assert (backend.execution_provider, backend.precision) == ("OpenVINO", Precision.FP32)


@pytest.mark.skipif(not computes_bf16(), reason="this CPU has no bfloat16 instructions")
def test_bf16_is_near_fp32(lite0, pixels):
    """The cosine of photos is over 0.999 (measured: 0.9998)."""
    exact = OpenVinoBackend(lite0, OPTIONS).run(pixels)[0]

    options = BackendOptions(backend=BackendName.OPENVINO, precision=Precision.BF16, threads=1)
    backend = OpenVinoBackend(lite0, options)
    rounded = backend.run(pixels)[0]

    assert backend.precision is Precision.BF16
    assert (exact * rounded).sum(axis=1).min() > 0.999
    assert np.abs(exact - rounded).max() > 1e-5


def test_a_precision_that_is_not_there_stops_the_start(monkeypatch):
    """fp16 nowhere; bf16 on a CPU without instructions for it would be slower than fp32."""
    options = BackendOptions(backend=BackendName.OPENVINO, precision=Precision.FP16)
    with pytest.raises(PrecisionMissing, match="'openvino' does not compute in fp16: it has fp32"):
        OpenVinoBackend(cast_model(), options)

    class OldCpu:
        def get_property(self, _device, _name):
            return ["FP32", "INT8"]

    monkeypatch.setattr("openvino.Core", OldCpu)
    options = BackendOptions(backend=BackendName.OPENVINO, precision=Precision.BF16)
    with pytest.raises(PrecisionMissing, match="compute in bf16: this CPU has no instructions"):
        OpenVinoBackend(cast_model(), options)


@pytest.mark.parametrize("model", [b"", b"no model", cast_model()[:-20]])
def test_a_file_that_is_no_model_stops_the_start(model):
    """With one line."""
    with pytest.raises(Misconfigured, match=r"^the model does not load: ") as caught:
        OpenVinoBackend(model, OPTIONS)

    assert "\n" not in str(caught.value)


def test_a_model_with_another_input_stops_the_start():
    """A graph that normalises outside itself, say."""
    with pytest.raises(Misconfigured, match=r"inputs are \['images'\], not \['pixels'\]"):
        OpenVinoBackend(cast_model(input_name="images"), OPTIONS)
