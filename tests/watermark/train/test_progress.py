from __future__ import annotations

import pytest

from services.watermark.train.progress import Pace, Progress, duration

POINT = {"step": 4.0, "loss": 0.25, "first_loss": 0.5, "first_auc": 0.75, "first_tpr_at_5": 0.5}


class Clock:
    """Shows what it was set to."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    """Every progress that was told."""
    return []


def test_between_points_it_tells_every_half_a_minute(clock, told):
    """The mean of the losses since, the pace of this run, and what is left."""
    pace = Pace("step", 100, told.append, clock=clock)
    for step, now_s in ((41, 110.0), (42, 120.0), (43, 130.0), (44, 140.0)):
        clock.now_s = now_s
        pace.advance(step, float(step))

    [progress] = told
    assert progress == Progress("step", 43, 100, loss=42.0, seconds_each=10.0)
    assert progress.seconds_left == 570.0


def test_a_point_is_told_at_once(clock, told):
    """With what was measured; the loss is the point's own."""
    pace = Pace("step", 8, told.append, clock=clock)
    pace.advance(3, 9.0)
    clock.now_s += 2.0
    pace.measured(4, POINT)

    held_out = {name: POINT[name] for name in ("first_loss", "first_auc", "first_tpr_at_5")}
    assert told == [Progress("step", 4, 8, 0.25, held_out, seconds_each=2.0)]


def test_a_training_that_is_done_has_no_pace(clock, told):
    """It is measured anew, without a step."""
    Pace("step", 4, told.append, clock=clock).measured(4, POINT)

    assert told[0].seconds_each is None
    assert told[0].facts()["seconds_left"] is None
    assert told[0].line() == "step 4 of 4: loss 0.250; AUC 0.750 first; TPR at 5 % FPR 0.500 first"


def test_a_line_for_a_person():
    """Rates by generator; the losses of held-out photos are for the curves."""
    rates = {"first_auc": 0.9, "first_loss": 0.1, "second_auc": 0.8}
    progress = Progress("step", 500, 6000, 0.4123, rates, seconds_each=1.4)

    words = (
        "step 500 of 6,000: loss 0.412; AUC 0.900 first, 0.800 second; 1.4 s a step, 2 h 8 min left"
    )
    assert progress.line() == words
    assert Progress("image", 0, 20).line() == "image 0 of 20"


def test_facts_for_a_program():
    """Everything, under names that say what is counted."""
    assert Progress("pair", 5, 10, 0.5, {"first_auc": 0.9}, seconds_each=2.0).facts() == {
        "pair": 5,
        "pairs": 10,
        "loss": 0.5,
        "first_auc": 0.9,
        "seconds_per_pair": 2.0,
        "seconds_left": 10.0,
    }


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (61, "1 min"), (3599, "1 h 0 min"), (7700, "2 h 8 min")],
)
def test_durations(seconds, words):
    """No more digits than anybody needs."""
    assert duration(seconds) == words
