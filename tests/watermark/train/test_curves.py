from __future__ import annotations

from services.watermark.train.curves import CURVES_FILE, draw_curves


def point(step, loss):
    return {"step": step, "loss": loss, "first_loss": loss, "first_auc": 0.9, "first_tpr_at_5": 0.7}


def test_curves_are_drawn_anew_and_say_what_they_are(tmp_path):
    """Losses of training and test; the same history gives the same file."""
    history = [point(100, 1.0), point(200, 0.5)]
    draw_curves(history[:1], tmp_path)
    first = (tmp_path / CURVES_FILE).read_bytes()
    draw_curves(history, tmp_path)
    second = (tmp_path / CURVES_FILE).read_bytes()

    assert first != second
    assert second.startswith(b"\x89PNG")
    draw_curves(history, tmp_path)
    assert (tmp_path / CURVES_FILE).read_bytes() == second


def test_points_can_be_counted_in_something_else(tmp_path):
    """The axis says in what; the picture is another one."""
    history = [{**point(100, 1.0), "pairs": 100.0}]
    draw_curves(history, tmp_path)
    steps = (tmp_path / CURVES_FILE).read_bytes()

    draw_curves(history, tmp_path, along="pairs", trained_on="images")

    assert (tmp_path / CURVES_FILE).read_bytes() != steps
