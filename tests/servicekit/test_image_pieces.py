from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.servicekit.errors import ItemRejected
from services.servicekit.image_pieces import check_pieces
from services.servicekit.rejection import RejectionCode
from tests.fakes import image_files as files
from tests.hostile.image_builders import gif_with_comments, png_of_chunks, whole

_GIF = gif_with_comments(0)
_PNG = png_of_chunks(0, b"vpAg", b"")


@pytest.mark.parametrize(
    "content",
    [
        png_of_chunks(49_990, b"vpAg", b"x"),
        _PNG + files.chunk(b"vpAg", b"x") * 60_000,
        gif_with_comments(99_000),
        _GIF + b"\x21\xfe\x01x\x00" * 300_000,
        whole("JPEG") + b"!" * 300_000,
        _PNG[:50],
        _GIF[:20],
    ],
    ids=("chunks", "behind a PNG", "comments", "behind a GIF", "JPEG", "cut PNG", "cut GIF"),
)
def test_few_pieces_pass(content: bytes) -> None:
    """Up to the bounds, and whatever lies behind the end."""
    check_pieces(content)


@pytest.mark.parametrize(
    "content",
    [
        png_of_chunks(50_000, b"vpAg", b"x"),
        png_of_chunks(50_000, b"IDAT", b""),
        gif_with_comments(100_001),
        _GIF[:13] + b"\x21\xfe" + b"\x01x" * 200_001,
        _GIF[:-1] + b"\x01" * 200_001,
    ],
    ids=("chunks", "empty pixels", "comments", "one comment", "bytes between"),
)
def test_many_pieces_do_not(content: bytes) -> None:
    """The code is CORRUPT."""
    with pytest.raises(ItemRejected) as rejected:
        check_pieces(content)
    assert rejected.value.code is RejectionCode.CORRUPT


@given(st.sampled_from((_GIF[:13], _PNG[:8], _GIF[:6])), st.binary(max_size=200))
def test_any_bytes_are_looked_through(start: bytes, content: bytes) -> None:
    """Lengths may lie."""
    check_pieces(start + content)


@pytest.mark.parametrize("piece", [b"\x00", b"!\xfe\x00", b",", b"\xff"])
@pytest.mark.parametrize("start", [_GIF[:13], _PNG[:8]])
def test_twenty_megabytes_take_little_time(start: bytes, piece: bytes) -> None:
    """Whatever they are."""
    content = start + piece * (20_000_000 // len(piece))
    began = time.process_time()
    with contextlib.suppress(ItemRejected):
        check_pieces(content)
    assert time.process_time() - began < 1.0
