from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.post import Post, PostFlags
from services.crawler.post_rules import BadPattern, PostGates, PostReason, PostRules


def turned_away(post: Post, **rules) -> PostReason | None:
    return PostGates(PostRules(**rules)).turn_away(post)


REMOVED = Post(flags=PostFlags(is_removed=True))
VIDEO = Post(flags=PostFlags(is_video=True))
ADULT = Post(flags=PostFlags(over_18=True))
SPOILER = Post(flags=PostFlags(is_spoiler=True))


@pytest.mark.parametrize(
    ("post", "rules", "reason"),
    [
        (Post(), {}, None),
        (REMOVED, {}, PostReason.REMOVED),
        (VIDEO, {}, PostReason.IS_VIDEO),
        (ADULT, {}, PostReason.OVER_18),
        (ADULT, {"allow_over_18": True}, None),
        (SPOILER, {}, None),
        (SPOILER, {"deny_spoilers": True}, PostReason.SPOILER),
        (Post(author="Bot"), {"deny_authors": ("bot",)}, PostReason.AUTHOR),
        (Post(author="u/Bot"), {"deny_authors": ("BOT",)}, PostReason.AUTHOR),
        (Post(author="bot"), {"deny_authors": ("/u/Bot ",)}, PostReason.AUTHOR),
        (Post(author="bottle"), {"deny_authors": ("bot",)}, None),
        (Post(), {"deny_authors": ("", "u/", " ")}, None),
        (Post(licence="CC BY-SA 4.0"), {"licences": ("cc-by-sa",)}, None),
        (Post(licence="CC BY-SA 4.0"), {"licences": ("cc-by", "cc0")}, PostReason.LICENCE),
        (Post(), {"licences": ("cc0",)}, PostReason.LICENCE),
        (Post(title="A Painting of a lake"), {"deny_titles": ("painting", "x")}, PostReason.TITLE),
        (Post(title="A lake"), {"deny_titles": ("^lake",)}, None),
        (Post(title="A lake"), {"require_titles": ("sea", "LAKE$")}, None),
        (Post(title="A hill"), {"require_titles": ("sea", "lake")}, PostReason.TITLE),
        (Post(), {"require_titles": ("lake",)}, PostReason.TITLE),
        (Post(title="A lake", flair="OC"), {"require_flairs": ("^oc$",)}, None),
        (Post(flair="Meta"), {"deny_flairs": ("meta",)}, PostReason.FLAIR),
        (Post(), {"require_flairs": ("oc",)}, PostReason.FLAIR),
        (
            Post(title="lake", flair="hill"),
            {"deny_titles": ("hill",), "deny_flairs": ("lake",)},
            None,
        ),
        (Post(title="CAFÉ"), {"deny_titles": ("café",)}, PostReason.TITLE),
        (Post(title="a\ud83d"), {"deny_titles": ("b",)}, None),
    ],
)
def test_each_gate(post: Post, rules: dict[str, object], reason: PostReason | None) -> None:
    """What it turns away, what it lets pass, and what it says."""
    assert turned_away(post, **rules) is reason


def test_the_first_reason_counts() -> None:
    """A post that several gates would turn away is counted once, under what costs least to tell."""
    flags = PostFlags(over_18=True, is_video=True, is_removed=True, is_spoiler=True)
    post = Post(flags=flags, title="x", author="bot")
    rules = {"deny_spoilers": True, "deny_authors": ("bot",), "deny_titles": ("x",)}
    assert turned_away(post, **rules) is PostReason.REMOVED


def test_a_parent_s_marks_count() -> None:
    """A crosspost carries the marks of what it repeats: the flags are those of all of them."""
    assert (
        turned_away(Post(parents=("reddit:r/A",), flags=PostFlags(over_18=True)))
        is PostReason.OVER_18
    )


@pytest.mark.parametrize(
    "pattern", ["(", "[", "*", "a{1000}{1000}", r"\1", "(?=a)", "(?<!a)b", "x" * 501, "\ud800"]
)
@pytest.mark.parametrize("rule", ["deny_titles", "require_titles", "deny_flairs", "require_flairs"])
def test_what_is_no_pattern(rule: str, pattern: str) -> None:
    """Each is one clear error that names it and says why, in one line."""
    with pytest.raises(BadPattern) as bad:
        PostRules(**{rule: ("fine", pattern)})
    assert bad.value.pattern == pattern[:200]
    assert bad.value.cause
    assert "\n" not in str(bad.value)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)*$", r"(\s*\w+\s*)*!", r"(.*,){20}x"])
def test_a_pattern_that_would_take_for_ever(pattern: str) -> None:
    """Titles are strangers': whatever a pattern makes of them, it takes no time."""
    gates = PostGates(PostRules(deny_titles=(pattern,)))
    began = time.process_time()
    for title in ("a" * 299 + "!b", "a," * 149, "a" * 300):
        gates.turn_away(Post(title=title))
    assert time.process_time() - began < 0.5


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_a_pattern_or_an_error(pattern: str, title: str) -> None:
    """Nothing else is raised, neither by the rules nor by the gates."""
    try:
        rules = PostRules(deny_titles=(pattern,))
    except BadPattern:
        return
    assert PostGates(rules).turn_away(Post(title=title)) in (None, PostReason.TITLE)
