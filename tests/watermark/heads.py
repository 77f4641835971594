"""Heads over quadrant embeddings: logistic regressions as ONNX files, and folders of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from services.watermark.detector_folder import (
    DetectorDescription,
    DetectorFolder,
    DetectorKind,
    HeadEncoder,
    write_detector_folder,
)
from tests.watermark.detectors import fake_folder


def head_model(weights: npt.NDArray[np.float32], bias: float) -> bytes:
    """A quadrant's probability is the logistic function of its embedding; the image's is the largest of the four."""
    names = ("embeddings", "probability", "quadrant_probabilities")
    shapes = (["n", 4, len(weights)], ["n"], ["n", 4])
    image, *outputs = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(names, shapes, strict=True)
    )
    nodes = [
        helper.make_node("MatMul", ["embeddings", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["quadrant_probabilities"]),
        helper.make_node(
            "ReduceMax", ["quadrant_probabilities", "axes"], ["probability"], keepdims=0
        ),
    ]
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "weights"),
        numpy_helper.from_array(np.array([bias], np.float32), "bias"),
        numpy_helper.from_array(np.array([1], np.int64), "axes"),
    ]
    graph = helper.make_graph(nodes, "head", [image], outputs, constants)
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def head_folder(
    model: bytes, encoder: HeadEncoder, *, side_px: int = 448, threshold: float = 0.5
) -> DetectorFolder:
    """A loaded folder with this head; it is nowhere."""
    folder = fake_folder(
        name="head",
        detector_id=hashlib.sha256(model).hexdigest(),
        input_width_px=side_px,
        input_height_px=side_px,
        threshold=threshold,
        kind=DetectorKind.EMBEDDER_HEAD,
        encoder=encoder,
    )
    return DetectorFolder(folder.path, folder.description, model)


def write_head(path: Path, folder: DetectorFolder) -> DetectorDescription:
    """Puts a head's folder on disk."""
    write_detector_folder(path, folder.model, folder.description)
    return folder.description
