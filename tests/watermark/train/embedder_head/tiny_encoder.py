"""A small real encoder: what edges there are in an image, as an embedding."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from services.servicekit.encoder_description import EncoderDescription, EncoderWeights
from services.servicekit.encoder_folder import EncoderFolder, load_encoder_folder
from services.servicekit.resize import ResizeRule

FILTERS = 12
DIMENSION = 2 * FILTERS


def tiny_encoder(path: Path, *, width_px: int = 112, height_px: int = 112) -> EncoderFolder:
    """Writes and loads its folder: the largest and the mean answer of 12 random filters to each image."""
    content = _model(width_px, height_px)
    draft = EncoderDescription(
        encoder_id="0" * 64,
        name="tiny",
        architecture="test/edges",
        weights=EncoderWeights("nowhere", "none", "ab" * 32),
        dimension=DIMENSION,
        input_width_px=width_px,
        input_height_px=height_px,
        resize=ResizeRule.SQUASH,
        interpolation="bicubic",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        opset=18,
        sha256=hashlib.sha256(content).hexdigest(),
        precision="fp32",
    )
    path.mkdir(parents=True)
    (path / "model.onnx").write_bytes(content)
    described = replace(draft, encoder_id=draft.computed_id())
    (path / "encoder.json").write_bytes(described.to_json())
    return load_encoder_folder(path)


def _model(width_px: int, height_px: int) -> bytes:
    filters = np.random.default_rng(0).normal(0, 0.02, (FILTERS, 3, 5, 5)).astype(np.float32)
    filters -= filters.mean(axis=(1, 2, 3), keepdims=True)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "filters"], ["signed"]),
        helper.make_node("Abs", ["signed"], ["answers"]),
        helper.make_node("GlobalMaxPool", ["answers"], ["largest"]),
        helper.make_node("GlobalAveragePool", ["answers"], ["mean"]),
        helper.make_node("Concat", ["largest", "mean"], ["both"], axis=1),
        helper.make_node("Flatten", ["both"], ["flat"]),
        helper.make_node("LpNormalization", ["flat"], ["embedding"], axis=1, p=2),
    ]
    pixels = helper.make_tensor_value_info(
        "pixels", TensorProto.UINT8, ["n", height_px, width_px, 3]
    )
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSION])
    constants = [numpy_helper.from_array(filters, "filters")]
    graph = helper.make_graph(nodes, "edges", [pixels], [embedding], constants)
    opsets = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
