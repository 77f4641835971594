"""Writes an encoder folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.embedder.export.onnx_writer import OPSET, onnx_model
from services.embedder.export.parity import check_parity
from services.embedder.export.tower import ImageTower
from services.embedder.export.weights_digest import weights_digest
from services.servicekit.encoder_description import (
    EncoderDescription,
    EncoderWeights,
    encoder_id_of,
)
from services.servicekit.encoder_folder import ENCODERS
from services.servicekit.model_folder import MODEL_FILE


def write_encoder(tower: ImageTower, folder: Path) -> EncoderDescription:
    """Writes `model.onnx` and `encoder.json` into an existing folder.

    Raises:
        NotExportable: The tower does not fit the contract, or its graph computes something else.
    """
    digest = weights_digest(tower.weights)
    model = onnx_model(tower)
    content = model.SerializeToString(deterministic=True)
    check_parity(tower, content)
    side = tower.preprocessing
    description = EncoderDescription(
        encoder_id=encoder_id_of(tower.architecture, digest, side),
        name=tower.name,
        architecture=tower.architecture,
        weights=EncoderWeights(tower.weights_source, tower.weights_licence, digest),
        dimension=model.graph.output[0].type.tensor_type.shape.dim[1].dim_value,
        input_width_px=side.input_width_px,
        input_height_px=side.input_height_px,
        resize=side.resize,
        interpolation=side.interpolation,
        mean=side.mean,
        std=side.std,
        opset=OPSET,
        sha256=hashlib.sha256(content).hexdigest(),
        precision="fp32",
    )
    (folder / MODEL_FILE).write_bytes(content)
    (folder / ENCODERS.description_file).write_bytes(description.to_json())
    return description
