from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources.text import _is_kept, clean_text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Sunrise over the valley", "Sunrise over the valley"),
        ("  two\r\n lines\t", "two lines"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("caf\u00e9 \U0001f305", "caf\u00e9 \U0001f305"),
        ("bad \udcff byte", "bad ? byte"),
        ("x" * 500, "x" * 300),
        (" x" * 700, ("x " * 150).strip()),
        ("\u3000a\u2028b\u200dc\xa0d", "a bc d"),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_one_clean_line(text: object, cleaned: str) -> None:
    """Control characters, direction marks and lone surrogates go; blanks become one space."""
    assert clean_text(text) == cleaned


@given(st.text(st.characters(), max_size=2_000))
def test_any_text_becomes_a_storable_line(text: str) -> None:
    """Whatever comes in, UTF-8 of at most 300 characters on one line comes out, and stays as it is."""
    cleaned = clean_text(text)
    assert len(cleaned.encode().decode()) <= 300
    assert len(cleaned.splitlines()) <= 1
    assert clean_text(cleaned) == cleaned


def test_printable_text_needs_no_work():
    """Of every character that counts as printable, the blank alone is a space, and none has to go."""
    for char in map(chr, range(0x110000)):
        if char.isprintable():
            assert _is_kept(char)
            assert char == " " or not char.isspace()
