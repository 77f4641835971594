"""One embedding as the content of a `.npy` file."""

from __future__ import annotations

import io
import warnings
from typing import Final

import numpy as np
import numpy.typing as npt

from lodestone.cli.moving.found_row import BadRow

MAX_BYTES: Final = 1024 * 1024


def npy_bytes(values: npt.NDArray[np.float32]) -> bytes:
    """Writes (dimension,) float32 values."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def values_of(content: bytes) -> npt.NDArray[np.float32]:
    """Reads (dimension,) float32 values; whatever a header states, no more than is there is made of it.

    Raises:
        BadRow: It is another array, or none.
    """
    buffer = io.BytesIO(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            version = np.lib.format.read_magic(buffer)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read(buffer)
    except Exception as error:
        raise BadRow("its embedding is no .npy file") from error
    rest = content[buffer.tell() :]
    if dtype != np.dtype("<f4") or len(shape) != 1 or len(rest) != 4 * shape[0]:
        raise BadRow("its embedding is no row of float32 numbers")
    return np.frombuffer(rest, dtype="<f4").astype(np.float32)
