from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources.html_tags import Tag, read_tags


def tags(page: str) -> list[Tag | str]:
    return [token for token in read_tags(page) if token]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", []),
        ("text", ["text"]),
        ("<p>x</p>", [Tag("p"), "x", Tag("/p")]),
        ("<IMG SRC=a.jpg ALT='x > y'>", [Tag("img", {"src": "a.jpg", "alt": "x > y"})]),
        ('<img src="a&amp;b" src=c/>', [Tag("img", {"src": "a&b"})]),
        ("<img src = 'a' hidden/>", [Tag("img", {"src": "a", "hidden": ""})]),
        ("<img/src=a\n>", [Tag("img", {"src": "a"})]),
        ("<a href=a/b/>x</a >", [Tag("a", {"href": "a/b/"}), "x", Tag("/a")]),
        ("a < b &lt; c", ["a < b < c"]),
        ("<!-- <img src=a> --><b>", [Tag("b")]),
        ("<!--><b>", [Tag("b")]),
        ("<!DOCTYPE html><?xml?></ x><b>", [Tag("b")]),
        ("<script>if (a<b) '<img src=x>'</script><b>", [Tag("script"), Tag("/script"), Tag("b")]),
        ("<STYLE><img></Style ><b>", [Tag("style"), Tag("/style"), Tag("b")]),
        ("<title>a <b> &amp; c</title>", [Tag("title"), "a <b> & c", Tag("/title")]),
        (
            "<noscript><img src=a></noscript>",
            [Tag("noscript"), Tag("img", {"src": "a"}), Tag("/noscript")],
        ),
        ("<p don't='x'>y", [Tag("p", {"don't": "x"}), "y"]),
        ("x<img src='a>b", ["x"]),
        ("x<img src", ["x"]),
        ("x<!-- y", ["x"]),
        ("<script>x", [Tag("script")]),
        ("x<", ["x<"]),
    ],
)
def test_reads_as_the_standard_says(page: str, expected: list[Tag | str]) -> None:
    """Names, attributes, character references, comments, raw text, and what is cut off."""
    assert tags(page) == expected


@given(
    st.lists(
        st.sampled_from(
            [*"<>/='\"!- x", "<a", "<!--", "-->", "<script", "</script>", "<title>", "&amp;", "src"]
        ),
        max_size=60,
    ).map("".join)
)
def test_any_text_is_read_to_its_end(page: str) -> None:
    """Nothing raises, and a tag name is never empty."""
    for token in read_tags(page):
        assert isinstance(token, str) or token.name.strip("/")


@pytest.mark.parametrize(
    "piece",
    [
        *("<div>", "<", "<!", "<!--", "</", "<a ", "<a b='", '<a b="x', "<a b=", "<script>", "&"),
        *("<title>", "<img src=a.jpg>", "<a href=x>", " ", "<a" + " " * 500, "<b></i>", "<p/"),
    ],
)
def test_time_grows_with_length_only(piece: str) -> None:
    """No repetition of a piece takes more than a few times four times as long when it is four times as long."""
    times_s = []
    for length in (50_000, 200_000):
        page = piece * (length // len(piece))
        best_s = 9.9
        for _ in range(3):
            started_s = time.process_time()
            for _token in read_tags(page):
                pass
            best_s = min(best_s, time.process_time() - started_s)
        times_s.append(best_s)
    assert times_s[1] < 12 * times_s[0] + 0.05
