"""How often a progressive JPEG goes over its pixels: a scan may be a few bytes, and is a pass over the whole image."""

from __future__ import annotations

import re

from PIL import Image as PillowImage

from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode

# Encoders make 6 to 18 (libjpeg's jpeg_simple_progression). 2,000 empty ones over 49 megapixels are 388 kB, and each
# takes 30 ms (measured).
_SCANS_MAX = 40
# Segments of a file that is looked through: more are nonsense, and would take their time.
_SEGMENTS_MAX = 10_000

# Within a scan 0xFF stands before 0 (a value), D0 to D7 (restarts) or another 0xFF (filling): ITU-T T.81, B.1.1.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA


def check_scans(image: PillowImage.Image, encoded: bytes) -> None:
    """Passes an opened image that is no JPEG of so many scans that decoding it is an attack.

    Raises:
        ItemRejected: CORRUPT; it has over 40 scans.
    """
    if "progressive" in image.info and count_scans(encoded, at_most=_SCANS_MAX) > _SCANS_MAX:
        reason = f"it has over {_SCANS_MAX} scans, which no encoder makes"
        raise ItemRejected(RejectionCode.CORRUPT, reason)


def count_scans(encoded: bytes, *, at_most: int) -> int:
    """The scans of a JPEG up to its end mark; one more than `at_most` if there are more, or 10,000 segments."""
    scans = at = 0
    for _ in range(_SEGMENTS_MAX):
        marker = _MARKER.search(encoded, at)
        if marker is None or marker[1][0] == _END_OF_IMAGE:
            return scans
        at = marker.end()
        if marker[1][0] != _START_OF_IMAGE:
            # What a segment holds, a thumbnail for example, is no part of this image.
            at += int.from_bytes(encoded[at : at + 2], "big")
        scans += marker[1][0] == _START_OF_SCAN
        if scans > at_most:
            break
    return at_most + 1
