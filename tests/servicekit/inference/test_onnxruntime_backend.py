from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from services.servicekit.embedding import Precision
from services.servicekit.errors import Misconfigured
from services.servicekit.inference import onnxruntime_backend
from services.servicekit.inference.backend import BackendName, BackendOptions
from services.servicekit.inference.errors import DeviceMemoryExhausted
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


def images(count: int, level: int) -> np.ndarray:
    return np.full((count, 2, 2, 3), level, np.uint8)


def test_buffers_are_written_again():
    """The second batch of a size has its own values, and those of the first stay as they were."""
    backend = load(cast_model())
    answers = {}
    for level, count in [(1, 3), (2, 3), (3, 2), (4, 3)]:
        [answers[level]] = backend.run(images(count, level))

    assert sorted(key for key, idle in backend._bound._idle.items() if idle) == [
        (2, 2, 2, 3),
        (3, 2, 2, 3),
    ]
    for level, answer in answers.items():
        assert np.array_equal(answer, images(len(answer), level))


@pytest.fixture
def _small_arena(monkeypatch):
    """Sessions have 1 MB for all that they compute."""
    cpu = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"max_mem": 1_000_000, "arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(cpu, arena)

    def options():
        made = original()
        made.add_session_config_entry("session.use_env_allocators", "1")
        return made

    original = onnxruntime.SessionOptions
    monkeypatch.setattr(onnxruntime, "SessionOptions", options)


@pytest.mark.usefixtures("_small_arena")
def test_a_batch_without_memory_is_told_by_its_size():
    """By what ONNX Runtime itself says of its arena; smaller ones are computed before and after it."""
    backend = load(cast_model())
    for count, has_memory in [(16, True), (100_000, False), (16, True), (200_000, False)]:
        if has_memory:
            assert np.array_equal(backend.run(images(count, count))[0], images(count, count))
            continue
        with pytest.raises(DeviceMemoryExhausted) as caught:
            backend.run(images(count, 1))
        assert caught.value.size == count
    assert sorted(key for key, idle in backend._bound._idle.items() if idle) == [(16, 2, 2, 3)]


def test_another_error_is_no_lack_of_memory():
    """Nothing is gained by a smaller batch then."""
    backend = load(cast_model())
    with pytest.raises(Exception, match="Unexpected input data type") as caught:
        backend.run(np.zeros((1, 2, 2, 3), np.float32))
    assert not isinstance(caught.value, DeviceMemoryExhausted)


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


class CudaSession:
    """A session that starts on a card that is not there, and tells what it was given."""

    made: list[CudaSession]

    def __init__(self, model, options, providers) -> None:
        self.model = model
        self.threads = options.intra_op_num_threads
        self.providers = providers
        self.made.append(self)

    def get_providers(self) -> list[str]:
        return [name for name, _ in self.providers]

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="pixels")]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="floats")]


@pytest.fixture
def cuda(monkeypatch) -> list[CudaSession]:
    """The sessions that were made."""
    CudaSession.made = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", CudaSession)
    monkeypatch.setattr(onnxruntime_backend, "to_half_precision", lambda model: b"half " + model)
    return CudaSession.made


@pytest.mark.parametrize(("limit_bytes", "limit"), [(0, {}), (5, {"gpu_mem_limit": "5"})])
@pytest.mark.parametrize(("precision", "model"), [("FP32", b"model"), ("FP16", b"half model")])
def test_what_cuda_is_told(cuda, limit_bytes, limit, precision, model):
    """Its memory, no TF32, an arena that takes no more than it needs; the model in the precision that is stated.

    One batch at a time, with all threads.
    """
    options = BackendOptions(
        BackendName.CUDA,
        Precision(precision),
        threads=2,
        instances=2,
        gpu_memory_bytes=limit_bytes,
    )
    backend = OnnxRuntimeBackend(b"model", options)

    [session] = cuda
    assert (session.model, session.threads) == (model, 2)
    assert backend.instances == 1
    settings = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested", **limit}
    assert session.providers == [("CUDAExecutionProvider", settings)]
    assert backend.execution_provider == "CUDAExecutionProvider"
    assert backend.precision is Precision(precision)


@pytest.mark.parametrize(
    ("name", "precision"), [("onnxruntime", "FP16"), ("onnxruntime", "BF16"), ("cuda", "BF16")]
)
def test_a_precision_that_a_provider_has_not_stops_the_start(cuda, monkeypatch, name, precision):
    """The sentence says which it has; nothing is computed in another one."""
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    has = {"onnxruntime": "fp32", "cuda": "fp32 and fp16"}[name]
    line = f"^backend '{name}' does not compute in {precision.lower()}: it has {has}$"
    with pytest.raises(Misconfigured, match=line):
        OnnxRuntimeBackend(b"model", BackendOptions(BackendName(name), Precision(precision)))
    assert cuda == []


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
