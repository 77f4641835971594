"""How many pieces a PNG or GIF has: reading one costs Pillow some microseconds, however small it is."""

from __future__ import annotations

from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode

# Encoders write pixels in chunks of 8 kB or more. A million private ones, 13 MB, took 6 s (Pillow 13.0.0, measured).
_CHUNKS_MAX = 50_000
# 20 MB of full ones are 78,000. Four million comments of one letter, 20 MB, took 3 s.
_BLOCKS_MAX = 200_000

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
_GIF_START = b"GIF8"
_GIF_HEADER_BYTES = 13
# Whether it moves is known at the second frame.
_FRAMES_READ = 2


def check_pieces(encoded: bytes) -> None:
    """Passes bytes that are no PNG or GIF of so many pieces that reading it is an attack.

    Raises:
        ItemRejected: CORRUPT; a PNG has over 50,000 chunks, or a GIF over 200,000 blocks up to its second frame.
    """
    if encoded.startswith(_PNG_START) and _has_many_chunks(encoded):
        reason = f"it has over {_CHUNKS_MAX:,} chunks, which no encoder makes"
        raise ItemRejected(RejectionCode.CORRUPT, reason)
    if encoded.startswith(_GIF_START) and _has_many_blocks(encoded):
        reason = f"it has over {_BLOCKS_MAX:,} blocks, which no encoder makes"
        raise ItemRejected(RejectionCode.CORRUPT, reason)


def _has_many_chunks(encoded: bytes) -> bool:
    at = len(_PNG_START)
    for _ in range(_CHUNKS_MAX):
        kind = encoded[at + 4 : at + 8]
        if kind in (b"", _PNG_END):
            return False
        at += 12 + int.from_bytes(encoded[at : at + 4], "big")
    return True


def _has_many_blocks(encoded: bytes) -> bool:
    at = _GIF_HEADER_BYTES + _table_bytes(encoded[10:11])
    frames = blocks = 0
    while blocks <= _BLOCKS_MAX and frames < _FRAMES_READ:
        match encoded[at : at + 1]:
            case b"" | b";":
                return False
            case b"!":
                blocks, at = _end_of_blocks(encoded, at + 2, blocks)
            case b",":
                frames += 1
                # Its place, its flags and the colours that they tell of, the width of its codes.
                at += 11 + _table_bytes(encoded[at + 9 : at + 10])
                blocks, at = _end_of_blocks(encoded, at, blocks)
            case _:
                # Pillow passes over what begins nothing.
                at += 1
        blocks += 1
    return blocks > _BLOCKS_MAX


def _end_of_blocks(encoded: bytes, at: int, blocks: int) -> tuple[int, int]:
    """How many blocks were passed with those that end at the next empty one, and where that ends."""
    while blocks <= _BLOCKS_MAX and encoded[at : at + 1] not in (b"", b"\x00"):
        blocks, at = blocks + 1, at + 1 + encoded[at]
    return blocks, at + 1


def _table_bytes(flags: bytes) -> int:
    """The size of the colour table that a screen or frame announces."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
