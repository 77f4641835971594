"""What computes several batches at once: ONNX Runtime and OpenVINO."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from services.servicekit.inference.backend import BackendName, BackendOptions
from services.servicekit.inference.loading import load_backend
from tests.fakes.onnx_files import cast_model

CPU = ["onnxruntime", "openvino"]


@pytest.mark.parametrize("name", CPU)
def test_instances_do_not_write_over_each_other(name):
    """Each batch has its own values, though the others are of the same size."""
    options = BackendOptions(backend=BackendName(name), threads=2, instances=2)
    backend = load_backend(cast_model(), options)
    batches = [np.full((5_000, 2, 2, 3), n, np.uint8) for n in range(250)]

    with ThreadPoolExecutor(backend.instances) as threads:
        computed = [outputs[0] for outputs in threads.map(backend.run, batches)]

    assert backend.instances == 2
    for batch, floats in zip(batches, computed, strict=True):
        assert np.array_equal(floats, batch)


@pytest.mark.parametrize("name", CPU)
@pytest.mark.parametrize(("threads", "instances"), [(1, 1), (3, 2)])
def test_there_are_no_more_instances_than_threads(name, threads, instances):
    """One would wait for the other."""
    options = BackendOptions(backend=BackendName(name), threads=threads, instances=2)
    assert load_backend(cast_model(), options).instances == instances
