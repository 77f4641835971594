from __future__ import annotations

import threading

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
    instances = 1

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
    """Time passes when it is read, by default as much each time: all sizes cost the same."""

    def __init__(self, seconds_of=lambda size: 0.001) -> None:
        self.now_s = 0.0
        self.seconds_of = seconds_of
        self.device: Device | None = None

    def __call__(self) -> float:
        self.now_s += self.seconds_of(self.device.sizes[-1]) if self.device else 0.001
        return self.now_s


def bucketed(device: Device, max_batch: int = 8, clock: Clock | None = None) -> BucketedBackend:
    clock = clock or Clock()
    clock.device = device
    return BucketedBackend(device, TRIAL, max_batch=max_batch, clock=clock)


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


def test_sizes_that_gain_nothing_are_left_out():
    """Image by image: some caches hold 16 images and not 32."""
    device = Device()

    backend = bucketed(device, 32, Clock(lambda size: (0.01 if size == 16 else 0.013) * size))

    assert backend.buckets.largest == 16
    assert backend.run(images(17))[0].tolist() == list(range(17))


def test_no_memory_is_taken_for_sizes_over_one_that_gains_nothing():
    """A runtime does not give it back."""
    device = Device()

    backend = bucketed(device, 128, Clock(lambda size: 0.01 * size))

    assert backend.buckets.largest == 8
    assert max(device.sizes) == 16


def test_all_instances_compute_a_size_at_once():
    """They share cores and caches when they serve, and each makes its buffers before it does."""

    class Two(Device):
        instances = 2

        def __init__(self) -> None:
            super().__init__()
            self.both = threading.Barrier(2, timeout=10)

        def run(self, batch):
            self.both.wait()
            return super().run(batch)

    device = Two()
    backend = bucketed(device)

    assert backend.instances == 2
    for size in (1, 2, 4, 8):
        assert device.sizes.count(size) >= 2


def test_what_else_a_machine_does_falls_on_all_sizes():
    """For a while it is twice as slow: no size seems slower for it than the others."""
    device = Device()

    def seconds_of(size: int) -> float:
        slow = 5 <= len(device.sizes) < 13
        return 0.02 * size if slow else 0.01 * size

    assert bucketed(device, 8, Clock(seconds_of)).buckets.seconds == pytest.approx(
        {1: 0.01, 2: 0.02, 4: 0.04, 8: 0.08}
    )


def test_a_size_that_takes_over_a_second_is_not_kept():
    """Though it would be faster, image by image; it is timed once, and none larger."""
    device = Device()

    backend = bucketed(device, 32, Clock(lambda size: 0.8 + 0.1 * size))

    assert backend.buckets.largest == 2
    assert max(device.sizes) == 4
    assert device.sizes.count(4) == 2


def test_an_image_that_takes_over_a_second_is_computed_all_the_same():
    """Alone; there is no smaller size."""
    backend = bucketed(Device(), 32, Clock(lambda size: 3.0 * size))

    assert backend.buckets.largest == 1
    assert backend.run(images(3))[0].tolist() == [0, 1, 2]


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
