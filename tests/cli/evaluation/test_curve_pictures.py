from __future__ import annotations

from lodestone.cli.evaluation.curve_pictures import (
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from tests.cli.evaluation.evaluations import evaluation


def test_each_generator_is_a_line(tmp_path):
    """With its points and its name, on both pictures."""
    curves = evaluation(tmp_path)["curves"]
    curves.append({**curves[0], "generator": "first"})
    for figure, x in ((draw_roc(curves), "fpr"), (draw_precision_recall(curves), "recall")):
        axes = figure.axes[0]
        lines = {line.get_label(): list(line.get_xdata()) for line in axes.lines}
        assert lines["second"] == lines["first"] == curves[0][x]
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["second", "first"]


def test_reliability_has_a_point_for_each_bin(tmp_path):
    """And the threshold."""
    facts = evaluation(tmp_path)

    axes = draw_reliability(facts["reliability"], facts["threshold"]).axes[0]

    diagonal, bins, threshold = axes.lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert (list(bins.get_xdata()), list(bins.get_ydata())) == ([0.05, 0.97], [0.2, 0.9])
    assert list(threshold.get_xdata()) == [0.975, 0.975]
