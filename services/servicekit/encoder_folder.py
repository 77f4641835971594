"""The encoder folder: `model.onnx` beside the `encoder.json` that vouches for it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from services.servicekit.encoder_description import EncoderDescription
from services.servicekit.model_folder import ModelFolderKind
from services.servicekit.model_folder_errors import EncoderIdMismatch

ENCODERS: Final = ModelFolderKind("encoder", EncoderDescription)


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
            ModelFolderUnusable: The file is gone, was replaced, or keeps data outside itself.
        """
        return ENCODERS.read_model(self.path, self.sha256)


def load_encoder_folder(path: Path) -> EncoderFolder:
    """Reads and verifies an encoder folder.

    Raises:
        ModelFolderUnusable: One of its subclasses; see `model_folder_errors`.
    """
    description = ENCODERS.read_description(path)
    computed = description.computed_id()
    if computed != description.encoder_id:
        stated = description.encoder_id
        raise EncoderIdMismatch(path / ENCODERS.description_file, stated=stated, computed=computed)
    ENCODERS.read_model(path, description.sha256)
    facts = {field.name: getattr(description, field.name) for field in fields(description)}
    return EncoderFolder(**facts, path=path)
