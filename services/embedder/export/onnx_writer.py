"""Writes an image encoder as one ONNX file that is the same on every machine."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

import onnx
import torch

from services.embedder.export.errors import NotExportable, error_line
from services.embedder.export.image_encoder import ImageEncoder
from services.embedder.export.tower import ImageTower

OPSET = 18

# Protobuf's limit for one file, less room for the graph itself.
_WEIGHTS_MAX_BYTES = 2**31 - 2**24
_NOT_REPRODUCIBLE = frozenset({"doc_string", "metadata_props"})


def onnx_model(tower: ImageTower) -> onnx.ModelProto:
    """Traces the tower's encoder with a free batch size.

    The model has the input `pixels` and the output `embedding` (see `ImageEncoder`) and carries no
    path, date or name of the machine; its producer names the versions that decide its bytes.

    Raises:
        NotExportable: The weights are too large for one file, or the network cannot be traced or
            does not give one vector an image.
    """
    producer_version = (
        f"torch {torch.__version__.split('+')[0]}, onnxscript {version('onnxscript')}"
    )
    weights_bytes = sum(tensor.nbytes for tensor in tower.weights.values())
    if weights_bytes > _WEIGHTS_MAX_BYTES:
        problem = f"{weights_bytes / 1e9:.1f} GB of weights do not fit one ONNX file (2 GB)"
        raise NotExportable(tower.name, problem)
    model = _trace(tower)
    _strip(model)
    model.producer_name = "lodestone"
    model.producer_version = producer_version
    _check(tower, model)
    return model


def _trace(tower: ImageTower) -> onnx.ModelProto:
    side = tower.preprocessing
    # Two images: tracing takes a batch of one for a constant.
    example = torch.zeros((2, side.input_height_px, side.input_width_px, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                ImageEncoder(tower),
                (example,),
                input_names=["pixels"],
                output_names=["embedding"],
                dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise NotExportable(tower.name, error_line(error.__cause__ or error)) from error
    return program.model_proto


def _strip(message: Any) -> None:
    """Drops what the exporter notes about its source files, in place."""
    for field, value in message.ListFields():
        if field.name in _NOT_REPRODUCIBLE:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                _strip(child)


def _check(tower: ImageTower, model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model)
    inputs, outputs = list(model.graph.input), list(model.graph.output)
    if len(inputs) != 1 or len(outputs) != 1:
        problem = f"it has {len(inputs)} inputs and {len(outputs)} outputs instead of one of each"
        raise NotExportable(tower.name, problem)
    batch, *rest = inputs[0].type.tensor_type.shape.dim
    embedding = outputs[0].type.tensor_type.shape.dim
    if not batch.dim_param or len(rest) != 3 or len(embedding) != 2 or not embedding[1].dim_value:
        raise NotExportable(tower.name, "it does not give one vector an image at every batch size")
