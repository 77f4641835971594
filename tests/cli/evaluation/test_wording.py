from __future__ import annotations

from lodestone.cli.evaluation import wording
from tests.cli.evaluation.evaluations import evaluation


def test_goals_stand_beside_what_was_measured(tmp_path):
    """With the side of the target, the interval and whether it is met."""
    assert wording.goal_rows(evaluation(tmp_path)) == [
        ("second: AUC", "≥ 0.97", "0.900", "0.850 to 0.950", "no"),
        ("clean photos of here flagged", "≤ 0.02", "0.010", "0.010 to 0.010", "yes"),
    ]


def test_tables_have_a_cell_for_each_column(tmp_path):
    """Of groups, and of images without a mark."""
    facts = evaluation(tmp_path)

    groups, flagged = wording.group_rows(facts), wording.flagged_rows(facts)

    assert {len(row) for row in groups} == {len(wording.GROUP_COLUMNS)}
    assert groups[1][:5] == ("second", "kind", "tiled", "34", "1,200")
    assert [row[0] for row in flagged] == ["clean, here", "hard negatives, second: frame"]
    assert {len(row) for row in flagged} == {len(wording.FLAGGED_COLUMNS)}


def test_a_note_says_what_is_known(tmp_path):
    """Of a mark all of it, of a clean image what it is."""
    worst = evaluation(tmp_path)["worst"]

    assert wording.worst_note(worst["misses"][0]) == (
        "0.012; second: corner, opacity 0.41, width 12%"
    )
    assert wording.worst_note(worst["false_alarms"][0]) == "0.012; clean"
