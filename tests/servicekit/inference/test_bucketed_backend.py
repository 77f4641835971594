from __future__ import annotations

import numpy as np
import pytest
import structlog

from services.servicekit.embedding import Precision
from services.servicekit.inference.bucketed_backend import BucketedBackend
from services.servicekit.inference.errors import DeviceMemoryExhausted, ModelUnfit

TRIAL = np.zeros((1, 2, 2, 3), np.uint8)


class Device:
    """Computes each image's first value and its square; has memory for so many images."""

    execution_provider = "DeviceExecutionProvider"
    precision = Precision.FP16

    def __init__(self, memory: int = 1000) -> None:
        self.memory = memory
        self.sizes: list[int] = []

    def run(self, batch):
        self.sizes.append(len(batch))
        if len(batch) > self.memory:
            raise DeviceMemoryExhausted(len(batch))
        first = batch[:, 0, 0, 0].astype(np.float32)
        return [first, first[:, None] ** 2]


class Clock:
    """A second passes each time it is read: all sizes cost the same."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


def bucketed(device: Device, max_batch: int = 8) -> BucketedBackend:
    return BucketedBackend(device, TRIAL, max_batch=max_batch, clock=Clock())


def images(count: int) -> np.ndarray:
    batch = np.zeros((count, 2, 2, 3), np.uint8)
    batch[:, 0, 0, 0] = np.arange(count)
    return batch


@pytest.fixture
def logs():
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.mark.parametrize("count", [1, 5, 8, 13, 40])
def test_the_device_sees_known_sizes_only(count):
    """All of them before the first batch; every image has its own result, and padding none."""
    device = Device()
    backend = bucketed(device)
    assert set(device.sizes) == {1, 2, 4, 8}
    device.sizes.clear()

    first, squares = backend.run(images(count))

    assert set(device.sizes) <= {1, 2, 4, 8}
    assert first.tolist() == list(range(count))
    assert squares[:, 0].tolist() == [number**2 for number in range(count)]


def test_it_says_what_is_behind_it():
    """What computes, and in which precision."""
    backend = bucketed(Device())
    assert backend.execution_provider == "DeviceExecutionProvider"
    assert backend.precision is Precision.FP16


def test_sizes_without_memory_at_the_start_are_left_out(logs):
    """One line says so; batches of any size are computed all the same."""
    backend = bucketed(Device(memory=3))

    assert backend.buckets.largest == 2
    assert backend.run(images(7))[0].tolist() == list(range(7))
    assert [(log["batch"], log["largest_batch"]) for log in logs] == [(4, 2)]


def test_memory_that_runs_out_later_halves_the_batch(logs):
    """Nothing is lost or computed for the wrong image; the size is not tried again."""
    device = Device()
    backend = bucketed(device)
    device.memory = 2
    device.sizes.clear()

    assert backend.run(images(13))[0].tolist() == list(range(13))
    assert backend.run(images(13))[0].tolist() == list(range(13))

    assert device.sizes.count(8) == device.sizes.count(4) == 1
    assert [log["batch"] for log in logs] == [8, 4]


def test_no_memory_for_one_image_is_an_error():
    """At the start and later."""
    with pytest.raises(DeviceMemoryExhausted, match="no memory for a batch of 1$"):
        bucketed(Device(memory=0))
    device = Device()
    backend = bucketed(device)
    device.memory = 0
    with pytest.raises(DeviceMemoryExhausted, match="no memory for a batch of 1$"):
        backend.run(images(9))


def test_a_model_of_one_batch_size_is_refused():
    """Before anybody asks it for another."""

    class Fixed(Device):
        def run(self, batch):
            return [output[:1] for output in super().run(batch)]

    with pytest.raises(ModelUnfit, match="1 rows for a batch of 2"):
        bucketed(Fixed())
