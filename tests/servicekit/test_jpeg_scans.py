from __future__ import annotations

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from services.servicekit.errors import ItemRejected
from services.servicekit.image import DecodeLimits, decode
from services.servicekit.jpeg_scans import check_scans, count_scans
from services.servicekit.rejection import RejectionCode
from tests.fakes import image_files as files
from tests.hostile.image_builders import (
    jpeg_hidden_scans,
    jpeg_scan_bomb,
    jpeg_scans_in_sequence,
    jpeg_with_segments,
)

PROGRESSIVE = files.encoded(files.photo(), "JPEG", progressive=True)


@pytest.mark.parametrize(
    ("content", "scans"),
    [
        (files.encoded(files.photo(), "JPEG"), 1),
        (PROGRESSIVE, 10),
        (files.encoded(PillowImage.new("L", (40, 40), 9), "JPEG", progressive=True), 6),
        (files.encoded(PillowImage.new("CMYK", (40, 40)), "JPEG", progressive=True), 18),
        (files.encoded(files.photo(), "JPEG", restart_marker_blocks=1), 1),
        (PROGRESSIVE + b"\xff\xda" * 500, 10),
        (PROGRESSIVE + PROGRESSIVE, 10),
        (
            files.encoded(
                files.photo(), "JPEG", progressive=True, exif=b"Exif\x00\x00" + PROGRESSIVE
            ),
            10,
        ),
        (jpeg_scan_bomb(16, 16, 7), 13),
        (b"", 0),
        (b"\xff\xd8", 0),
        (PROGRESSIVE[: len(PROGRESSIVE) // 2], 4),
    ],
)
def test_scans_are_counted(content: bytes, scans: int) -> None:
    """Those of the image itself: not of its thumbnail, nor of what lies behind its end."""
    assert count_scans(content, at_most=99) == scans


def test_counting_ends_at_the_limit() -> None:
    """One more than asked for says that there are more."""
    assert count_scans(PROGRESSIVE, at_most=3) == 4


def test_forty_scans_pass() -> None:
    """One more does not, whoever decodes; the same bytes are a valid image."""
    forty, more = (jpeg_scan_bomb(16, 16, count) for count in (34, 35))
    assert decode(forty, DecodeLimits()).rgb.shape == (16, 16, 3)
    assert PillowImage.open(io.BytesIO(more)).getpixel((3, 3)) == 90
    with pytest.raises(ItemRejected) as rejected:
        decode(more, DecodeLimits())
    assert rejected.value.code is RejectionCode.CORRUPT
    assert "over 40 scans" in rejected.value.reason


def test_what_is_behind_a_photo_is_not_searched() -> None:
    """A film behind a photo holds the marks of many scans by chance."""
    check_scans(files.encoded(files.photo(), "JPEG") + b"\xff\xda\x00\x02" * 5_000)


@pytest.mark.parametrize(
    "attack",
    [
        jpeg_scans_in_sequence(16, 16, 41),
        jpeg_hidden_scans(16, 16, 41, marker=b"\xff\x01"),
        jpeg_hidden_scans(16, 16, 41, marker=b"\xff\xc8"),
        jpeg_hidden_scans(16, 16, 41, marker=b"\xff\xd0"),
        jpeg_with_segments(1_001, b"Exif\x00\x00x"),
        b"\xff\xd8\xff\xd9" + jpeg_with_segments(1_001, b"Exif\x00\x00x")[2:],
        b"\xff\xd8" + b"\xff" * 100_003 + PROGRESSIVE[3:],
        b"\xff\xd8\xff\xfe\x00\x02" + b"\xff\x00" * 50_001 + PROGRESSIVE[2:],
    ],
    ids=("in sequence", "TEM", "JPG", "RST", "segments", "early end", "filling", "values"),
)
def test_nothing_hides_them(attack: bytes) -> None:
    """Scans of a sequential image, behind marks without a length, and what only costs time before the first scan."""
    with pytest.raises(ItemRejected) as rejected:
        check_scans(attack)
    assert rejected.value.code is RejectionCode.CORRUPT


def test_what_encoders_make_passes() -> None:
    """A sequential image of a scan for each colour, and a colour profile of as many segments as there can be."""
    check_scans(jpeg_scans_in_sequence(16, 16, 3))
    check_scans(jpeg_with_segments(255, b"ICC_PROFILE\x00\x01\xff" + bytes(60_000)))


@given(st.binary(max_size=200))
def test_any_bytes_are_counted(content: bytes) -> None:
    """Lengths may lie."""
    for start in (b"", b"\xff\xd8", PROGRESSIVE[:400]):
        assert 0 <= count_scans(start + content, at_most=5) <= 6


@pytest.mark.parametrize(
    "piece", [b"\xff\xda\x00\x02", b"\xff\xd8", b"\xff", b"\xff\x00", b"\xff\xe1\x00\x02"]
)
def test_twenty_megabytes_take_little_time(piece: bytes) -> None:
    """Whatever they are."""
    content = piece * (20_000_000 // len(piece))
    began = time.process_time()
    count_scans(content, at_most=40)
    assert time.process_time() - began < 3.0
