"""The ways that images go, in turns, by the names that they have in the report."""

from __future__ import annotations

from typing import Final

RAW: Final = "raw"
STREAM: Final = "stream_of_pixels"
JPEGS: Final = "stream_of_jpegs"
UNARY: Final = "unary_callers"
ONE_BY_ONE: Final = "onnxruntime_one_by_one"
PEER: Final = "peer"
