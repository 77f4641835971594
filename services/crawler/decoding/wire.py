"""What passes between the decoder and its worker processes: frames of JSON and raw bytes.

No pickle: a worker that a hostile image took over could make whoever unpickles its answers run code.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode
from services.servicekit.resize import InputShape, ResizeRule

# Length of the JSON, then of the bytes behind it.
PREFIX = struct.Struct(">IQ")
HEADER_MAX_BYTES = 65_536

_SIDE_MAX_PX = 1_000_000


def pack_header(header: Mapping[str, Any], payload_bytes: int) -> bytes:
    """The start of a frame; the payload follows it as it is."""
    text = json.dumps(header).encode()
    return PREFIX.pack(len(text), payload_bytes) + text


def shapes_to_json(shapes: Mapping[str, InputShape]) -> dict[str, Any]:
    """Input shapes as JSON."""
    return {
        word: [shape.width_px, shape.height_px, shape.rule.value, shape.quartered]
        for word, shape in shapes.items()
    }


def shapes_from_json(shapes: Mapping[str, Any]) -> dict[str, InputShape]:
    """Input shapes out of JSON."""
    return {
        word: InputShape(width_px, height_px, ResizeRule(rule), quartered=quartered)
        for word, (width_px, height_px, rule, quartered) in shapes.items()
    }


def inputs_bytes(shapes: Mapping[str, InputShape]) -> int:
    """How many bytes the inputs of one candidate have together."""
    return sum(shape.width_px * shape.height_px * 3 for shape in shapes.values())


def candidate_to_json(candidate: DecodedCandidate) -> dict[str, Any]:
    """A candidate without its inputs, which travel as the payload in the order of the shapes."""
    return {
        "width_px": candidate.width_px,
        "height_px": candidate.height_px,
        "format": candidate.format,
        "animated": candidate.animated,
        "fingerprint": _fingerprint_to_json(candidate.fingerprint),
        "mirrored": _fingerprint_to_json(candidate.mirrored),
    }


def candidate_from_json(
    facts: Mapping[str, Any], payload: bytes, shapes: Mapping[str, InputShape]
) -> DecodedCandidate:
    """A candidate out of an answer, every field of which is checked.

    Raises:
        ValueError, TypeError, KeyError: The answer is not one.
    """
    if len(payload) != inputs_bytes(shapes):
        raise ValueError("the inputs have the wrong length")
    inputs, start = {}, 0
    for word, shape in shapes.items():
        count = shape.width_px * shape.height_px * 3
        flat = np.frombuffer(payload, dtype=np.uint8, count=count, offset=start)
        inputs[word] = flat.reshape(shape.height_px, shape.width_px, 3)
        start += count
    return DecodedCandidate(
        width_px=_number(facts["width_px"], _SIDE_MAX_PX),
        height_px=_number(facts["height_px"], _SIDE_MAX_PX),
        format=str(facts["format"])[:16],
        animated=bool(facts["animated"]),
        fingerprint=_fingerprint_from_json(facts["fingerprint"]),
        mirrored=_fingerprint_from_json(facts["mirrored"]),
        inputs=inputs,
    )


def rejection_to_json(rejected: ItemRejected) -> dict[str, Any]:
    """A rejection as JSON."""
    return {"code": rejected.code.value, "reason": rejected.reason}


def rejection_from_json(rejection: Mapping[str, Any]) -> ItemRejected:
    """A rejection out of an answer.

    Raises:
        ValueError, KeyError: The answer is not one.
    """
    return ItemRejected(RejectionCode(rejection["code"]), str(rejection["reason"])[:1_000])


def _fingerprint_to_json(fingerprint: Fingerprint) -> dict[str, Any]:
    return {
        "hash64": fingerprint.hash64,
        "hash256": fingerprint.hash256.hex(),
        "flat": fingerprint.flat,
    }


def _fingerprint_from_json(fields: Mapping[str, Any]) -> Fingerprint:
    hash256 = bytes.fromhex(fields["hash256"])
    if len(hash256) != 32:
        raise ValueError("the 256-bit hash has another length")
    return Fingerprint(_number(fields["hash64"], 2**64 - 1), hash256, bool(fields["flat"]))


def _number(value: object, at_most: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= at_most:
        raise ValueError("a number is out of range")
    return value
