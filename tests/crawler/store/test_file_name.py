from __future__ import annotations

import re

import pytest

from services.crawler.listing import Listing
from services.crawler.store.file_name import kept_file_name

NOON = 1_795_348_800.0  # 2026-11-22 12:00 UTC


def name(listing, format_name="JPEG"):
    return kept_file_name(listing, format_name=format_name, digest="1f3a9c21" + "0" * 56, time=NOON)


def test_readable():
    """Date, source, title, digest, and the suffix of the bytes."""
    listing = Listing(
        "page:https://earthporn.example/new", "https://i.example/x.png", "Sunrise over the Valley!"
    )
    assert name(listing) == "2026-11-22_earthporn-example_sunrise-over-the-valley_1f3a9c21.jpg"


def test_url_serves_without_a_title():
    """The last part of the URL stands in for a missing title."""
    assert "_misty-lake_" in name(Listing("folder:/p/good", "file:///p/good/misty%20lake.PNG"))


@pytest.mark.parametrize(
    "title",
    [
        "../../etc/passwd",
        "a\0b\nc",
        "x" * 5000,
        "日本語",
        "..",
        "CON",
        "<script>",
        "\u202egpj.exe",
        "",
    ],
)
def test_hostile_titles(title):
    """Whatever the listing says, the name is short and plain."""
    made = name(Listing("urls:/../..", "http://h/../../%2e%2e%2fpasswd", title), "PNG")
    assert re.fullmatch(r"[a-z0-9_-]{1,156}\.png", made)
