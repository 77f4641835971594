"""ONNX files made by hand from protobuf's wire format, for tests that have no onnx package."""

from __future__ import annotations

GRAPH, FUNCTIONS, TRAINING_INFO = 7, 25, 20
NODE, INITIALIZER, SPARSE_INITIALIZER = 1, 5, 15
EXTERNAL = b"\x70\x01"
"""TensorProto.data_location = EXTERNAL."""


def varint(value: int) -> bytes:
    """A number, seven bits a byte, lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, extra: bytes = b"") -> bytes:
    """The content of a TensorProto: one float, its raw data inside the file."""
    dims, data_type = b"\x08\x01", b"\x10\x01"
    return dims + data_type + message(8, name.encode()) + message(9, b"\0\0\x80\x3f") + extra


def model(graph: bytes, extra: bytes = b"") -> bytes:
    """The content of a ModelProto around the content of a GraphProto."""
    return b"\x08\x0a" + message(GRAPH, graph) + extra
