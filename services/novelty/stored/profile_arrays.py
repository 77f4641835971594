"""profile.npz: float64 arrays of known names and shapes, read without trusting the file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Final

import numpy as np

from services.novelty.mixture import Floats

_FLOAT64: Final = np.dtype("<f8")
_HEADER_BYTES: Final = 1024


def encode_arrays(arrays: Mapping[str, Floats]) -> bytes:
    """Writes arrays as an uncompressed .npz; the same arrays give the same bytes."""
    content = BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def decode_arrays(content: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Reads exactly the arrays of `shapes`, each finite; nothing is unpickled, unpacked or allocated beyond them.

    Raises:
        ValueError: The file holds something else. Other errors of the zip reader may pass.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = sorted(member.filename for member in archive.infolist())
        if names != sorted(f"{name}.npy" for name in shapes):
            raise ValueError(f"it holds {', '.join(names)[:200]!r}")
        return {name: _array(archive, name, shape) for name, shape in shapes.items()}


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> Floats:
    member = archive.getinfo(f"{name}.npy")
    size_bytes = int(np.prod(shape, dtype=np.int64)) * _FLOAT64.itemsize
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    if not size_bytes <= member.file_size <= size_bytes + _HEADER_BYTES:
        raise ValueError(f"{name} has {member.file_size} bytes, not those of shape {shape}")
    with archive.open(member) as file:
        _check_header(file, name, shape)
        content = file.read()
    if len(content) != size_bytes:
        raise ValueError(f"{name} has {len(content)} bytes of values, not {size_bytes}")
    array = np.frombuffer(content, _FLOAT64).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a value that is not finite")
    return array


def _check_header(file: IO[bytes], name: str, shape: tuple[int, ...]) -> None:
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is not in version 1.0 of the npy format")
    found = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER_BYTES)
    if found != (shape, False, _FLOAT64):
        raise ValueError(f"{name} is {found[2]} of shape {found[0]}, not {_FLOAT64} of {shape}")
