"""Finds tensors that an ONNX file keeps outside itself, without the onnx package.

A reader of protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) that goes
only where onnx.proto can hold a tensor. Serving has no onnx package, and a runtime that is given
such a file would open whatever path it names (CVE-2024-27318 and its successors in onnx, and
https://github.com/microsoft/onnxruntime/pull/27430).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Field numbers of onnx.proto: message → field → the message in that field.
_CHILDREN: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
_MODEL_GRAPH = 7
_TENSOR_NAME = 8
_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_VARINT_MAX_BYTES = 10
_TAG_MAX = 2**32 - 1


class MalformedProtobufError(ValueError):
    """The bytes are no ONNX model in protobuf's wire format.

    Attributes:
        position: The byte at or before which they stop being one.
        problem: What is wrong there.
    """

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"{problem} at byte {position}")
        self.position = position
        self.problem = problem


class _Field(NamedTuple):
    """One field: a varint has a value, a length-delimited one the range of its bytes."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


def first_external_tensor(model: bytes) -> str | None:
    """The name of a tensor whose data is not in the file, or None; the name may be empty.

    Raises:
        MalformedProtobufError: `model` does not parse. Stricter than protobuf: groups, which ONNX
            never has, are refused.
    """
    if model[4:8] == b"ORTM":
        # ONNX Runtime recognises its own format by these bytes, whatever else the file is.
        raise MalformedProtobufError(4, "the mark of ONNX Runtime's own format")
    if not any(field.number == _MODEL_GRAPH for field in _fields(model, 0, len(model))):
        raise MalformedProtobufError(len(model), "no graph")
    pending = [("ModelProto", 0, len(model))]
    while pending:
        kind, start, end = pending.pop()
        if kind == "TensorProto" and _is_external(model, start, end):
            return _tensor_name(model, start, end)
        for field in _fields(model, start, end):
            child = _CHILDREN[kind].get(field.number)
            if child and field.wire_type == _LENGTH:
                pending.append((child, field.start, field.end))
    return None


def _is_external(model: bytes, start: int, end: int) -> bool:
    for field in _fields(model, start, end):
        if field.number == _TENSOR_EXTERNAL_DATA:
            return True
        # Any value but zero: parsers cut large ones down to an enum.
        if field.number == _TENSOR_DATA_LOCATION and (field.wire_type, field.value) != (_VARINT, 0):
            return True
    return False


def _tensor_name(model: bytes, start: int, end: int) -> str:
    names = [
        model[field.start : field.end]
        for field in _fields(model, start, end)
        if field.number == _TENSOR_NAME and field.wire_type == _LENGTH
    ]
    return names[-1].decode(errors="replace") if names else ""


def _fields(model: bytes, start: int, end: int) -> Iterator[_Field]:
    position = start
    while position < end:
        tag, position = _varint(model, position, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0 or tag > _TAG_MAX:
            raise MalformedProtobufError(position, "a wrong field number")
        value = 0
        if wire_type == _VARINT:
            value, stop = _varint(model, position, end)
        elif wire_type == _LENGTH:
            length, position = _varint(model, position, end)
            stop = position + length
        elif wire_type in _FIXED_BYTES:
            stop = position + _FIXED_BYTES[wire_type]
        else:
            raise MalformedProtobufError(position, f"wire type {wire_type}")
        if stop > end:
            raise MalformedProtobufError(position, "a field longer than its message")
        yield _Field(number, wire_type, value, position, stop)
        position = stop


def _varint(model: bytes, position: int, end: int) -> tuple[int, int]:
    """The number at `position` and the position behind it."""
    value = 0
    for index in range(_VARINT_MAX_BYTES):
        if position + index >= end:
            break
        byte = model[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise MalformedProtobufError(position, "a number without an end")
