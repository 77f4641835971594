"""The encoder folder: `model.onnx` beside the `encoder.json` that vouches for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

from services.servicekit.encoder_description import EncoderDescription, parse_description
from services.servicekit.encoder_errors import (
    EncoderFileUnreadable,
    EncoderFolderMissing,
    EncoderIdMismatch,
    ModelDigestMismatch,
    ModelHasExternalData,
    ModelMalformed,
)
from services.servicekit.onnx_external_data import MalformedProtobufError, first_external_tensor

MODEL_FILE = "model.onnx"
DESCRIPTION_FILE = "encoder.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFolder(EncoderDescription):
    """A folder whose model is the one that its description describes.

    The graph's one input is `pixels`, (N, input_height_px, input_width_px, 3) uint8 RGB; its one
    output is `embedding`, (N, dimension) float32, L2 norm 1. Normalisation is inside the graph.

    Attributes:
        path: The folder.
    """

    path: Path

    def read_model(self) -> bytes:
        """The bytes of model.onnx, verified again: the runtime is given what was checked.

        Raises:
            EncoderUnusable: The file is gone, was replaced, or keeps data outside itself.
        """
        return _read_model(self.path / MODEL_FILE, self.sha256)


def load_encoder_folder(path: Path) -> EncoderFolder:
    """Reads and verifies an encoder folder.

    Raises:
        EncoderUnusable: One of its subclasses; see `encoder_errors`.
    """
    if not path.is_dir():
        raise EncoderFolderMissing(path)
    description_path = path / DESCRIPTION_FILE
    description = parse_description(_read(description_path), description_path)
    computed = description.computed_id()
    if computed != description.encoder_id:
        raise EncoderIdMismatch(description_path, stated=description.encoder_id, computed=computed)
    _read_model(path / MODEL_FILE, description.sha256)
    facts = {field.name: getattr(description, field.name) for field in fields(description)}
    return EncoderFolder(**facts, path=path)


def _read_model(path: Path, sha256: str) -> bytes:
    model = _read(path)
    actual = hashlib.sha256(model).hexdigest()
    if actual != sha256:
        raise ModelDigestMismatch(path, expected=sha256, actual=actual)
    try:
        external = first_external_tensor(model)
    except MalformedProtobufError as error:
        raise ModelMalformed(path, str(error)) from error
    if external is not None:
        raise ModelHasExternalData(path, external)
    return model


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EncoderFileUnreadable(path, error.strerror or type(error).__name__) from error
