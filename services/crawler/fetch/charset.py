"""The text of an HTML page, whatever it says about its encoding."""

from __future__ import annotations

import codecs
import re

# The encodings of the web (https://encoding.spec.whatwg.org) by Python's normal names. Others are not tried: Python's
# `punycode` and `idna`, for example, take quadratic time.
_ENCODINGS = frozenset(
    (
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp866", "koi8-r", "koi8-u", "mac-roman"),
        *("mac-cyrillic", "cp874", "gbk", "gb2312", "gb18030", "big5", "big5hkscs", "euc_jp"),
        *("iso2022_jp", "shift_jis", "cp932", "euc_kr", "cp949", "tis-620"),
        *(f"cp{number}" for number in range(1250, 1259)),
        *(f"iso8859-{number}" for number in (*range(2, 12), *range(13, 17))),
    )
)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEADER = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_META = re.compile(rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_META_WITHIN_BYTES = 4_096


def decode_html(body: bytes, content_type: str) -> str:
    """Decodes by the byte order mark, else the Content-Type, else a `<meta>` near the start, else as UTF-8.

    What does not decode becomes U+FFFD.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    header = _HEADER.search(content_type)
    meta = _META.search(body[:_META_WITHIN_BYTES])
    stated = header[1] if header else meta[1].decode("ascii", errors="replace") if meta else ""
    return body.decode(_known(stated), errors="replace")


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name).name if name else ""
    except (LookupError, ValueError):
        return "utf-8"
    # Browsers read both of these as windows-1252, which has more characters.
    if found in ("ascii", "iso8859-1"):
        return "cp1252"
    return found if found in _ENCODINGS else "utf-8"
