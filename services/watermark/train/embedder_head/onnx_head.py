"""A fitted head as the ONNX file of a detector."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.watermark.detector_folder import HEAD_INPUT, OUTPUTS, QUADRANTS
from services.watermark.train.calibration import Calibration, Line
from services.watermark.train.embedder_head.head import Head

_OPSET: Final = 18
_IR_VERSION: Final = 10


def head_model(head: Head, calibration: Calibration) -> bytes:
    """The detector: `embeddings` (N, 4, dimension) float32 → `probability` (N), `quadrant_probabilities` (N, 4).

    A quadrant has probability σ(a·z + b), where z = w·embedding + c are its log-odds, and the image σ(e·s + f), where
    s = ln Σ exp z is their smooth maximum: nothing is averaged over the quadrants.
    """
    probability, quadrant_probabilities = OUTPUTS
    four = len(QUADRANTS)
    nodes = [
        helper.make_node("MatMul", [HEAD_INPUT, "weights"], ["products"]),
        helper.make_node("Add", ["products", "offset"], ["log_odds"]),
        helper.make_node("ReduceLogSumExp", ["log_odds", "axes"], ["maximum"], keepdims=0),
        *_on_line("log_odds", "quadrant", quadrant_probabilities),
        *_on_line("maximum", "image", probability),
    ]
    constants = [
        numpy_helper.from_array(head.weights.astype(np.float32), "weights"),
        _number(head.offset, "offset"),
        numpy_helper.from_array(np.array([1], np.int64), "axes"),
        *_line_constants(calibration.quadrant, "quadrant"),
        *_line_constants(calibration.image, "image"),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [_tensor(HEAD_INPUT, ["n", four, len(head.weights)])],
        [_tensor(probability, ["n"]), _tensor(quadrant_probabilities, ["n", four])],
        constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="lodestone",
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _on_line(log_odds: str, line: str, probability: str) -> list[Any]:
    return [
        helper.make_node("Mul", [log_odds, f"{line}_slope"], [f"{line}_scaled"]),
        helper.make_node("Add", [f"{line}_scaled", f"{line}_offset"], [f"{line}_calibrated"]),
        helper.make_node("Sigmoid", [f"{line}_calibrated"], [probability]),
    ]


def _line_constants(line: Line, name: str) -> list[Any]:
    return [_number(line.slope, f"{name}_slope"), _number(line.offset, f"{name}_offset")]


def _number(value: float, name: str) -> Any:
    array: npt.NDArray[np.float32] = np.array(value, np.float32)
    return numpy_helper.from_array(array, name)


def _tensor(name: str, shape: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
