from __future__ import annotations

import pytest

from services.watermark.evaluate.groups import REAL, flagged_by, groups_of
from services.watermark.evaluate.metrics import NothingToCompare
from tests.watermark.evaluate.judged import clean, hard_negative, marked


def found(judged, **wanted):
    groups = groups_of(judged, 0.5)
    return [g for g in groups if all(getattr(g, key) == value for key, value in wanted.items())]


def test_groups_are_by_kind_opacity_width_and_source():
    """Lower limits belong to their range, and so does the last upper one; hard negatives are in none."""
    judged = [
        clean(0.1),
        hard_negative(0.99),
        marked(0.9, opacity=0.3, width_ratio=0.08, kind="tiled"),
        marked(0.2, opacity=0.9, width_ratio=1.0, kind="logo"),
        marked(0.3, opacity=0.2999, width_ratio=0.0799, kind="logo", generator="second"),
    ]

    assert found(judged, by="all", generator="all")[0].rates.marked == 3
    assert found(judged, by="kind", value="tiled")[0].rates.tpr.value == 1.0
    assert [g.value for g in found(judged, by="opacity", generator="first")] == [
        "0.3-0.6",
        "0.6-0.9",
    ]
    assert [g.value for g in found(judged, by="width", generator="first")] == ["8%-16%", "16%-100%"]
    assert [g.value for g in found(judged, by="width", generator="second")] == ["0%-8%"]


def test_groups_are_by_what_of_a_mark_can_be_seen():
    """Of marks whose photo without them is at hand."""
    judged = [clean(0.1), marked(0.9), marked(0.9, visible_px=60), marked(0.2, visible_px=59)]

    seen = found(judged, by="visible px")
    assert [(g.value, g.rates.marked) for g in seen] == [("0-60", 1), ("60-500", 1)]


def test_a_source_is_compared_with_its_own_photos():
    """A source whose clean photos look marked is bad by itself, not among the others."""
    judged = [clean(0.1, "a"), marked(0.8, "a"), clean(0.9, "b", source="odd")]
    judged.append(marked(0.8, "b", source="odd"))

    assert found(judged, by="source", value="here")[0].rates.auc.value == 1.0
    assert found(judged, by="source", value="odd")[0].rates.auc.value == 0.0


def test_marks_of_nobody_have_a_name():
    """Labelled images say no kind; they are a group as a whole."""
    judged = [clean(0.1), marked(0.9, generator="", kind="", opacity=None, width_ratio=None)]

    assert {(g.by, g.value) for g in found(judged, generator=REAL)} == {
        ("all", "all"),
        ("source", "here"),
    }


def test_flagged_images_are_counted_by_name():
    """Exactly the threshold is not flagged."""
    judged = [clean(0.5), clean(0.51), clean(0.6, source="odd")]

    flagged = flagged_by(judged, lambda facts: facts.source, 0.5)

    assert [(f.name, f.images, f.flagged, f.share.value) for f in flagged] == [
        ("here", 2, 1, 0.5),
        ("odd", 1, 1, 1.0),
    ]


def test_nothing_can_be_said_without_clean_images():
    """A clear error, no table of nothing."""
    with pytest.raises(NothingToCompare):
        groups_of([marked(0.5)], 0.5)
