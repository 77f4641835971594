from __future__ import annotations

import codecs
import time

import pytest

from services.crawler.fetch import charset
from services.crawler.fetch.charset import decode_html


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Grüße".encode(), "text/html", "Grüße"),
        ("Grüße".encode("cp1252"), "text/html; charset=windows-1252", "Grüße"),
        ("“Grüße”".encode("cp1252"), 'text/html;charset="iso-8859-1"', "“Grüße”"),
        ("日本".encode("shift_jis"), "text/html; charset=Shift_JIS", "日本"),
        (codecs.BOM_UTF8 + "ü".encode(), "text/html; charset=iso-8859-1", "ü"),
        (codecs.BOM_UTF16_LE + "ü".encode("utf-16-le"), "", "ü"),
        (codecs.BOM_UTF16_BE + "ü".encode("utf-16-be"), "", "ü"),
        (b'<meta charset="koi8-r">\xc1', "text/html", '<meta charset="koi8-r">а'),
        (
            b'<meta http-equiv=Content-Type content="text/html; charset=gbk">\xc4\xe3',
            "",
            '<meta http-equiv=Content-Type content="text/html; charset=gbk">你',
        ),
        (b"\xff", "text/html; charset=utf-8", "\ufffd"),
        (b"a", "text/html; charset=no-such-thing", "a"),
        (b"a", "text/html; charset=zip", "a"),
        (b"a", "text/html; charset=rot13", "a"),
        (b"a-", "text/html; charset=punycode", "a-"),
        (b"a", "text/html; charset=" + "x" * 10_000, "a"),
        (b"", "", ""),
    ],
)
def test_decodes_by_what_is_stated(body: bytes, content_type: str, text: str) -> None:
    """Byte order mark, header, meta, in this order; UTF-8 otherwise; nothing raises."""
    assert decode_html(body, content_type) == text


def test_slow_codecs_are_not_run() -> None:
    """A page that claims to be punycode is not decoded in quadratic time."""
    started_s = time.process_time()
    decode_html(b"a-" + b"b" * 1_000_000, "text/html; charset=punycode")
    assert time.process_time() - started_s < 1


def test_the_encodings_are_real_and_normal() -> None:
    """Each name in the table is the one under which Python finds it."""
    assert {name for name in charset._ENCODINGS if codecs.lookup(name).name != name} == set()
