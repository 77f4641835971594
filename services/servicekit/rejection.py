"""Why one item of a good request has no value."""

from __future__ import annotations

from enum import StrEnum


class RejectionCode(StrEnum):
    """The closed set of reasons; the names are those of the contract's RejectionCode."""

    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TOO_MANY_BYTES = "TOO_MANY_BYTES"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    METADATA_BOMB = "METADATA_BOMB"
    TRUNCATED = "TRUNCATED"
    CORRUPT = "CORRUPT"
    TOO_SMALL = "TOO_SMALL"
    EXTREME_ASPECT = "EXTREME_ASPECT"
    DECODER_CRASHED = "DECODER_CRASHED"
    BAD_PIXELS = "BAD_PIXELS"
    BAD_EMBEDDING = "BAD_EMBEDDING"
    BAD_RECORD = "BAD_RECORD"
