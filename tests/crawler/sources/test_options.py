from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources.options import join_options, split_options
from services.crawler.sources.source import BadSource

KNOWN = {"depth": re.compile("[0-5]"), "sort": re.compile("new|top"), "by": re.compile(".+")}


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("lake", "lake", {}),
        ("lake?", "lake", {}),
        (" a lake ?sort=top&depth=2", "a lake", {"depth": "2", "sort": "top"}),
        ("what%3F?by=a%26b", "what?", {"by": "a&b"}),
        ("100%", "100%", {}),
        ("", "", {}),
        ("x?&&sort=new&", "x", {"sort": "new"}),
    ],
)
def test_a_name_and_options(text, name, options):
    """What is escaped in the name is read; options come in the order in which they are known."""
    found = split_options("w:x", text, KNOWN)
    assert found == (name, options)
    assert list(found[1]) == list(options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x?depht=1", "'depht' is no option of it; there are: depth, sort, by"),
        ("x?depth", "'' is no depth"),
        ("x?depth=9", "'9' is no depth: it must be [0-5]"),
        ("x?sort=best", "it must be new, top"),
        ("x?sort=new&sort=top", "the option sort twice"),
        ("x?" + "y" * 999, "y" * 50),
    ],
)
def test_what_is_no_option(text, words):
    """The error says what there is."""
    with pytest.raises(BadSource) as bad:
        split_options("w:x", text, KNOWN)
    assert words in bad.value.cause
    assert len(bad.value.cause) < 200


def test_a_place_without_options():
    """None is known."""
    with pytest.raises(BadSource, match="it has no options"):
        split_options("w:x", "x?a=1", {})


@given(st.text(max_size=50), st.text(min_size=1, max_size=20))
def test_the_canonical_form_reads_as_itself(name, value):
    """Whatever is in the name and the value."""
    stripped = name.strip()
    text = join_options(stripped, {"by": value, "sort": ""})
    if re.fullmatch(".+", value):
        assert split_options("w:x", text, KNOWN) == (stripped, {"by": value})
    assert join_options(stripped, {}).partition("?")[1] == ""
