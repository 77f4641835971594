from __future__ import annotations

import sys

import pytest

from services.servicekit.embedding import Precision
from services.servicekit.inference import loading
from services.servicekit.inference.backend import BackendName, BackendOptions
from services.servicekit.inference.errors import BackendMissing, PrecisionMissing
from services.servicekit.inference.loading import load_backend
from tests.fakes.onnx_files import cast_model


@pytest.fixture
def loaded(monkeypatch):
    """Which backend was loaded, in place of loading it."""
    names = []
    for name in loading._LOADERS:
        monkeypatch.setitem(
            loading._LOADERS, name, lambda _model, options: names.append(options.backend)
        )
    return names


@pytest.mark.parametrize(
    ("precision", "cuda", "chosen"),
    [
        ("FP32", False, "onnxruntime"),
        ("FP32", True, "cuda"),
        ("FP16", True, "cuda"),
        ("BF16", False, "openvino"),
        ("BF16", True, "openvino"),
    ],
)
def test_auto_takes_the_fastest_that_computes_the_precision(
    monkeypatch, loaded, precision, cuda, chosen
):
    """It never changes the precision."""
    monkeypatch.setattr(loading, "_has_cuda", lambda: cuda)

    load_backend(b"", BackendOptions(backend=BackendName.AUTO, precision=Precision(precision)))

    assert loaded == [chosen]


def test_fp16_without_a_gpu_stops_the_start(monkeypatch):
    """Nothing on a CPU is faster for it."""
    monkeypatch.setattr(loading, "_has_cuda", lambda: False)
    options = BackendOptions(backend=BackendName.AUTO, precision=Precision.FP16)
    with pytest.raises(PrecisionMissing, match="'auto' does not compute in fp16: only cuda has"):
        load_backend(cast_model(), options)


@pytest.mark.parametrize(("name", "extra"), [("openvino", "openvino"), ("onnxruntime", "cpu")])
def test_a_backend_that_is_not_installed_is_named(monkeypatch, name, extra):
    """Nothing stands in for it; the line says what brings it."""
    monkeypatch.delitem(sys.modules, f"services.servicekit.inference.{name}_backend", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    line = rf"'{name}' needs {name}: pip install -c constraints.txt -e '\.\[{extra}\]'$"
    with pytest.raises(BackendMissing, match=line):
        load_backend(cast_model(), BackendOptions(backend=BackendName(name)))


@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "auto"])
def test_a_backend_by_name(name):
    """The one that was asked for, and `auto` on a machine without a GPU."""
    backend = load_backend(cast_model(), BackendOptions(backend=BackendName(name), threads=1))
    expected = "OpenVINO" if name == "openvino" else "CPUExecutionProvider"
    assert backend.execution_provider == expected
