from __future__ import annotations

from services.watermark.evaluate.goals import Goal, goals_of
from services.watermark.evaluate.groups import flagged_by
from services.watermark.evaluate.metrics import Estimate
from tests.watermark.evaluate.judged import clean, marked


def test_faint_and_narrow_marks_are_no_part_of_the_goals():
    """Only opacity 0.3 and width 8 % and over count, the limits included."""
    judged = [
        clean(0.5),
        marked(0.9, opacity=0.3, width_ratio=0.08),
        marked(0.1, opacity=0.29, width_ratio=0.08),
        marked(0.1, opacity=0.3, width_ratio=0.079),
        marked(0.1, kind="tiled", opacity=0.5),
        marked(0.9, kind="diagonal", opacity=0.5),
    ]

    goals = goals_of(judged, flagged_by(judged[:1], lambda facts: facts.source, 0.6), 0.6)

    assert [(goal.target, goal.measured.value, goal.met) for goal in goals] == [
        (0.97, 2 / 3, False),
        (0.85, 2 / 3, False),
        (0.97, 0.0, False),
        (0.97, 1.0, True),
        (0.02, 0.0, True),
    ]


def test_exactly_the_target_is_enough():
    """From either side."""
    exactly = Estimate(0.02, 0.0, 0.1)

    assert Goal("a limit", 0.02, False, exactly).met
    assert Goal("a floor", 0.02, True, exactly).met
    assert not Goal("a floor", 0.021, True, exactly).met
