from __future__ import annotations

import time

import pytest

from services.crawler.sources.html_text import text_of_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("A lake", "A lake"),
        ('<a href="//x.example" title="u">Ann</a> &amp; <b>co</b>', "Ann & co"),
        ("one<br>two<br/>three", "one two three"),
        ("<ul><li>a</li><li>b</li></ul>", "a b"),
        ("H<sub>2</sub>O", "H2O"),
        ("a < b &lt; c", "a < b < c"),
        ('x<span style="Display : None">y<span>z</span>w</span> v', "x v"),
        ('x<span style="display:none">y</span><span>z</span>', "xz"),
        ('x<br style="display:none">y', "x y"),
        ('x</span style="display:none">y', "xy"),
        ('x<span style="display:none">never ends', "x"),
        ("<script>alert(1)</script>x<!-- y -->", "x"),
        ("a\n\t b\u202e", "a b"),
    ],
)
def test_what_a_reader_sees(html, text):
    """Tags, scripts and hidden elements are left out; words on two lines are two."""
    assert text_of_html(html) == text


def test_a_hostile_text_takes_no_long_time():
    """Depth and length do not matter, and what comes out is a line."""
    began = time.process_time()
    for html in ("<span>" * 500_000, '<i style="display:none">' * 200_000, "x" * 9_000_000):
        assert len(text_of_html(html)) <= 300
    assert time.process_time() - began < 1.0
