"""One embedding as it lies in the cache."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

# Width, height, checksum; then the embedding.
_HEAD = struct.Struct("<IIII")
_LAYOUT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one image.

    Attributes:
        key: 32 bytes, of the image and of whatever else its embedding depends on.
        embedding: The embedding, little-endian float32.
        width_px: Width of the upright image as it came.
        height_px: Height of the same.
    """

    key: bytes
    embedding: bytes
    width_px: int
    height_px: int

    def sealed(self) -> bytes:
        """All but the key, with a checksum over everything: SQLite has none, and one wrong bit is a wrong answer."""
        head = (_LAYOUT, self.width_px, self.height_px)
        return _HEAD.pack(*head, self._checksum()) + self.embedding

    @classmethod
    def unsealed(cls, key: bytes, sealed: object) -> Entry | None:
        """The entry; None if it is another's, damaged, or laid out otherwise."""
        if not isinstance(sealed, bytes) or len(sealed) < _HEAD.size:
            return None
        layout, width_px, height_px, checksum = _HEAD.unpack_from(sealed)
        entry = cls(key, sealed[_HEAD.size :], width_px, height_px)
        return entry if (layout, checksum) == (_LAYOUT, entry._checksum()) else None

    def _checksum(self) -> int:
        size = struct.pack("<II", self.width_px, self.height_px)
        return zlib.crc32(self.embedding, zlib.crc32(self.key + size))
