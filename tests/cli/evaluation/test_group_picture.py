from __future__ import annotations

from lodestone.cli.evaluation.group_picture import draw_groups
from tests.cli.evaluation.evaluations import evaluation


def test_each_group_is_a_row_with_its_interval(tmp_path):
    """Groups of everything are left to the table."""
    axes = draw_groups(evaluation(tmp_path)["groups"]).axes[0]

    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["second, kind tiled  (34)", "second, opacity 0.3-0.6  (34)"]
    spans = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "None"]
    assert spans[0] == [0.9 - 0.2, 1.0]
