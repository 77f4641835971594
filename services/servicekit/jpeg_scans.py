"""How often decoding a JPEG goes over its pixels, and how many segments it reads: both may be a few bytes each."""

from __future__ import annotations

import re

from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode

# Encoders make 1 to 18 (libjpeg's jpeg_simple_progression). 2,000 empty ones over 49 megapixels are 388 kB, and each
# takes 30 ms (measured).
_SCANS_MAX = 40
# The largest colour profile takes 255. 600,000 of Exif, 6.6 MB, took Pillow 13.0.0 16 s (measured).
_SEGMENTS_MAX = 1_000
# Pillow reads what lies between segments byte by byte: 19 MB took over 20 s (measured).
_FILLING_MAX_BYTES = 100_000

# Within a scan 0xFF stands before 0 (a value), D0 to D7 (restarts) or another 0xFF (filling): ITU-T T.81, B.1.1.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_START = b"\xff\xd8\xff"
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
# No length is read behind these (T.81, table B.1; libjpeg-turbo's jdmarker.c and Pillow's JpegImagePlugin): neither
# where they stand alone nor where they are unknown.
_WITHOUT_LENGTH = frozenset((*range(0x01, 0xC0), 0xC8, 0xD8, 0xD9, *range(0xF0, 0xFE)))


def check_scans(encoded: bytes) -> None:
    """Passes bytes that are no JPEG of so many scans or segments that reading it is an attack.

    Raises:
        ItemRejected: CORRUPT; it has over 40 scans or 1,000 segments, or 100 kB between those of its header.
    """
    if encoded.startswith(_START) and count_scans(encoded, at_most=_SCANS_MAX) > _SCANS_MAX:
        reason = (
            f"it has over {_SCANS_MAX} scans, {_SEGMENTS_MAX:,} segments or "
            f"{_FILLING_MAX_BYTES:,} bytes between them, which no encoder makes"
        )
        raise ItemRejected(RejectionCode.CORRUPT, reason)


def count_scans(encoded: bytes, *, at_most: int) -> int:
    """The scans of a JPEG up to its end mark, of whatever kind.

    One more than `at_most` if there are more, or too many segments, or too much between those of its header.
    """
    scans = at = filling_bytes = 0
    for _ in range(_SEGMENTS_MAX):
        marker = _MARKER.search(encoded, at)
        code = marker[1][0] if marker else _END_OF_IMAGE
        # Before the first scan Pillow does not mind an end mark.
        if marker is None or (code == _END_OF_IMAGE and scans):
            return scans
        filling_bytes += 0 if scans else marker.start() - at
        at = marker.end() + _length(encoded, marker.end(), code)
        scans += code == _START_OF_SCAN
        if scans > at_most or filling_bytes > _FILLING_MAX_BYTES:
            break
    return at_most + 1


def _length(encoded: bytes, at: int, code: int) -> int:
    """What a segment holds, a thumbnail for example, is no part of the image; one that lies still takes 2 bytes."""
    if code in _WITHOUT_LENGTH:
        return 0
    return max(int.from_bytes(encoded[at : at + 2], "big"), 2)
