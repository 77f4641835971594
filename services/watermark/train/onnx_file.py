"""Writes torch modules as ONNX files that hold everything and name no machine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import onnx
import torch
from torch import nn

OPSET = 18

_NOT_REPRODUCIBLE = frozenset({"doc_string", "metadata_props"})


def to_onnx(module: nn.Module, *, side_px: int, outputs: Sequence[str]) -> bytes:
    """Traces a module with one input, `pixels` (N, side_px, side_px, 3) uint8, and a free N."""
    # Two images: tracing takes a batch of one for a constant.
    example = torch.zeros((2, side_px, side_px, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            (example,),
            input_names=["pixels"],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = program.model_proto
    _strip(model)
    model.producer_name = "lodestone"
    torch_version = torch.__version__.split("+")[0]
    model.producer_version = f"torch {torch_version}, onnxscript {version('onnxscript')}"
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _strip(message: Any) -> None:
    """Drops what the exporter notes about its source files, in place."""
    for field, value in message.ListFields():
        if field.name in _NOT_REPRODUCIBLE:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                _strip(child)
