"""Host memory that CUDA copies from without a detour."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog

# The library of CUDA 13, which onnxruntime-gpu 1.31 is built for; it is in the process once a session is.
_LIBRARY: Final = "libcudart.so.13"
_SUCCESS: Final = 0
# CUDA would go on taking the pages of an array that was freed for pinned ones.
_kept: Final[list[npt.NDArray[Any]]] = []


def pinned_empty(
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    load: Callable[[str], Any] = ctypes.CDLL,
) -> npt.NDArray[Any]:
    """An array whose pages stay in memory (`cudaHostRegister`, CUDA Runtime API).

    Where CUDA does not pin it, it is plain memory, and a line in the log: copies from it are slower, not wrong. What is
    pinned lives as long as the process.
    """
    array = np.empty(shape, dtype)
    try:
        register = load(_LIBRARY).cudaHostRegister
        register.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint)
        status = register(array.ctypes.data, array.nbytes, 0)
    except (OSError, AttributeError) as error:
        status = str(error)
    if status == _SUCCESS:
        _kept.append(array)
    else:
        structlog.get_logger().warning("memory_not_pinned", bytes=array.nbytes, cause=status)
    return array
