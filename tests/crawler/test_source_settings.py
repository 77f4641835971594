from __future__ import annotations

import json
from dataclasses import fields

import pytest

from services.crawler.post_rules import BadPattern, PostRules
from services.crawler.source_settings import SourceSettings
from services.servicekit.errors import InvalidInput

RULES = PostRules(
    allow_over_18=True,
    deny_spoilers=True,
    deny_authors=("u/bot", "é"),
    licences=("cc0",),
    deny_titles=(r"\bai\b",),
    require_titles=("lake",),
    deny_flairs=("meta",),
    require_flairs=("oc",),
)


@pytest.mark.parametrize(
    "settings",
    [
        SourceSettings(),
        SourceSettings(follow=True, poll_s=1.0, max_empty_polls=50, rules=RULES),
        SourceSettings(poll_s=30 * 86_400.0),
        SourceSettings(priority=-100),
    ],
)
def test_they_come_back_as_they_were_written(settings: SourceSettings) -> None:
    """Through JSON, every field of them and of the rules."""
    written = settings.to_json()
    assert SourceSettings.from_json(written, priority=settings.priority) == settings


def test_every_field_is_written() -> None:
    """A field that is added is kept, too; the priority has a column."""
    written = json.loads(SourceSettings(rules=RULES).to_json())
    assert set(written) | {"priority"} == {field.name for field in fields(SourceSettings)}
    assert "priority" not in written
    assert set(written["rules"]) == {field.name for field in fields(PostRules)}
    assert all(getattr(RULES, field.name) != field.default for field in fields(PostRules))


def test_what_was_not_written_is_the_default() -> None:
    """A source from before there were settings, and settings from before there was a field."""
    assert SourceSettings.from_json("") == SourceSettings()
    assert SourceSettings.from_json('{"follow": true}') == SourceSettings(follow=True)
    some = SourceSettings.from_json('{"rules": {"deny_titles": ["x"]}}')
    assert some.rules == PostRules(deny_titles=("x",))


@pytest.mark.parametrize("poll_s", [0.0, 0.99, -1.0, 30 * 86_400.0 + 1, float("nan"), float("inf")])
def test_an_interval_has_bounds(poll_s: float) -> None:
    """From a second to 30 days."""
    with pytest.raises(InvalidInput, match="poll interval"):
        SourceSettings(poll_s=poll_s)


@pytest.mark.parametrize("priority", [-101, 101])
def test_a_priority_has_bounds(priority: int) -> None:
    """Both ends are fine."""
    for allowed in (-100, 100):
        assert SourceSettings(priority=allowed).priority == allowed
    with pytest.raises(InvalidInput, match=f"a priority of {priority}: give -100 to 100"):
        SourceSettings(priority=priority)


def test_other_refusals() -> None:
    """A count below nothing, and patterns that are none."""
    with pytest.raises(InvalidInput, match="negative"):
        SourceSettings(max_empty_polls=-1)
    with pytest.raises(BadPattern):
        SourceSettings.from_json('{"rules": {"deny_titles": ["("]}}')
