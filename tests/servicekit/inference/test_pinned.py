from __future__ import annotations

import numpy as np
import pytest
import structlog

from services.servicekit.inference import pinned
from services.servicekit.inference.pinned import pinned_empty


class Register:
    """`cudaHostRegister`, and what it was called with."""

    argtypes = None

    def __init__(self, status: int) -> None:
        self.status = status
        self.calls: list[tuple[int, int, int]] = []

    def __call__(self, *arguments: int) -> int:
        self.calls.append(arguments)
        return self.status


class Library:
    def __init__(self, status: int) -> None:
        self.cudaHostRegister = Register(status)


def test_the_whole_array_is_registered():
    """By its address and its bytes."""
    library = Library(status=0)
    with structlog.testing.capture_logs() as logs:
        array = pinned_empty((4, 2, 2, 3), np.uint8, load=lambda _name: library)

    assert (array.shape, array.dtype) == ((4, 2, 2, 3), np.uint8)
    assert library.cudaHostRegister.calls == [(array.ctypes.data, 48, 0)]
    assert logs == []
    # Others could get the memory of an array that is freed while CUDA takes it for pinned.
    assert any(kept is array for kept in pinned._kept)


def missing(_name):
    raise OSError("libcudart.so.13: cannot open shared object file")


@pytest.mark.parametrize(
    ("load", "cause"), [(lambda _name: Library(status=2), 2), (missing, "libcudart.so.13: cannot")]
)
def test_memory_that_cannot_be_pinned_is_memory_all_the_same(load, cause):
    """One line says why copies are slower."""
    with structlog.testing.capture_logs() as logs:
        array = pinned_empty((2, 3), np.float32, load=load)

    assert array.shape == (2, 3)
    [entry] = logs
    assert entry["event"] == "memory_not_pinned"
    assert str(entry["cause"]).startswith(str(cause))
