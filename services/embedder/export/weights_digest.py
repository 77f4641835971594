"""The digest of a network's weights, independent of the file or precision they were stored in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch

# A training counter of batch normalisation; no output depends on it.
_NOT_WEIGHTS = "num_batches_tracked"
_LITTLE_ENDIAN = {"float32": "<f4", "int64": "<i8"}


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over the tensors sorted by name, 64 hex digits.

    Each tensor adds one line of JSON, `[name, dtype, shape]`, and its values in row order, little
    endian: float32 for every floating type, int64 for every other.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        if name.endswith(_NOT_WEIGHTS):
            continue
        dtype = "float32" if tensor.is_floating_point() else "int64"
        digest.update(json.dumps([name, dtype, list(tensor.shape)]).encode("ascii") + b"\n")
        digest.update(tensor.cpu().numpy().astype(_LITTLE_ENDIAN[dtype]).tobytes())
    return digest.hexdigest()
