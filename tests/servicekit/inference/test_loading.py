from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import structlog

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


@pytest.mark.parametrize(("precision", "then"), [("FP32", ["onnxruntime"]), ("FP16", None)])
def test_auto_passes_over_a_gpu_that_does_not_start(monkeypatch, loaded, precision, then):
    """With a line in the log; half precision has nothing else."""

    def no_driver(_model, _options):
        raise BackendMissing("cuda", "was asked for, but does not start here")

    monkeypatch.setattr(loading, "_has_cuda", lambda: True)
    monkeypatch.setitem(loading._LOADERS, BackendName.CUDA, no_driver)
    options = BackendOptions(backend=BackendName.AUTO, precision=Precision(precision))
    with structlog.testing.capture_logs() as logs:
        if then is None:
            with pytest.raises(PrecisionMissing, match="there is no CUDA here"):
                load_backend(b"", options)
        else:
            load_backend(b"", options)
            assert loaded == then

    assert [(log["event"], log["backend"]) for log in logs] == [("backend_passed_over", "cuda")]
    with pytest.raises(BackendMissing):
        load_backend(b"", replace(options, backend=BackendName.CUDA))


def test_a_wheel_that_does_not_load_is_named(monkeypatch):
    """A library that is missing is no traceback."""

    def broken(_model, options):
        raise loading._missing(options, ImportError("libfoo.so.1: cannot open"))

    monkeypatch.setitem(loading._LOADERS, BackendName.OPENVINO, broken)
    with pytest.raises(BackendMissing, match=r"another build \(libfoo\.so\.1: cannot open\): pip"):
        load_backend(b"", BackendOptions(backend=BackendName.OPENVINO))


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
