"""Tiny ONNX files, written field by field: the onnx package is for exporting only."""

from __future__ import annotations

UINT8, FLOAT = 2, 1


def cast_model(*, input_name: str = "pixels", input_type: int = UINT8) -> bytes:
    """A graph that casts (n, 2, 2, 3) of one type to float32 under the name `floats`."""
    to_float = _field(1, b"to") + _number(3, FLOAT) + _number(20, 2)
    node = (
        _field(1, input_name.encode())
        + _field(2, b"floats")
        + _field(4, b"Cast")
        + _field(5, to_float)
    )
    graph = (
        _field(1, node)
        + _field(2, b"graph")
        + _field(11, _value(input_name, input_type))
        + _field(12, _value("floats", FLOAT))
    )
    opset = _number(2, 18)
    return _number(1, 8) + _field(7, graph) + _field(8, opset)


def _value(name: str, element: int) -> bytes:
    sides = b"".join(_field(1, _number(1, side)) for side in (2, 2, 3))
    shape = _field(1, _field(2, b"n")) + sides
    tensor = _number(1, element) + _field(2, shape)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
