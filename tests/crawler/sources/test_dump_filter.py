from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources.dump_filter import DumpFilter

NAMES = st.text("abAB01_-", min_size=1, max_size=4)


def escaped(text, which):
    """A string of JSON, some of its characters written as escapes."""
    pairs = zip(text, which, strict=False)
    return '"' + "".join(f"\\u{ord(c):04x}" if escape else c for c, escape in pairs) + '"'


@given(NAMES, NAMES, st.lists(st.booleans(), min_size=4, max_size=4), st.text(max_size=30))
def test_no_line_of_a_wanted_subreddit_is_turned_away_unread(wanted, name, which, title):
    """Whatever else is in it, and however its name is written: only parsing decides."""
    line = f'{{"title": {json.dumps(title)}, "subreddit" : {escaped(name, which)}}}'.encode()
    chosen = DumpFilter(frozenset({wanted.lower()}))
    is_wanted = json.loads(line)["subreddit"].lower() == wanted.lower()
    assert chosen.passes(json.loads(line)) is is_wanted
    if is_wanted:
        assert chosen.may_pass(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"subreddit": "pics", "title": "earthporn"}', True),
        (b'{"subreddit": "pics", "title": "a"}', False),
        (b'{"subreddit": "EARTHPORN"}', True),
        (b'{"subreddit": "pics", "selftext": "caf\\u00e9"}', False),
        (b'{"subreddit": "\\u0045arthPorn"}', True),
        (b'{"subreddit": "earthporn2"}', False),
    ],
)
def test_most_other_lines_cost_no_parsing(line, expected):
    """A line passes if the name stands in it in quotes, or may stand in it in escapes."""
    assert DumpFilter(frozenset({"earthporn"})).may_pass(line) is expected


@pytest.mark.parametrize(
    ("time", "expected"),
    {
        9: False,
        10: True,
        19.5: True,
        20: False,
        "15": True,
        "x": False,
        None: False,
        "1" * 99: False,
    }.items(),
)
def test_the_first_second_counts_and_the_end_does_not(time, expected):
    """Times are numbers, or strings of digits as in the dumps of some years."""
    assert DumpFilter(after=10, before=20).passes({"created_utc": time}) is expected


def test_without_a_filter_everything_passes():
    """Also what has no community and no time."""
    assert DumpFilter().may_pass(b"x")
    assert DumpFilter().passes({})
    assert not DumpFilter(after=1).passes({"created_utc": True})
