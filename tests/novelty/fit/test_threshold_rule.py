from __future__ import annotations

import numpy as np
import pytest

from services.novelty.fit.threshold_rule import NoBackground, ThresholdRule
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import taste

HELD_OUT = np.arange(-20.0, 80.0)
BACKGROUND = np.arange(-100.0, 0.0)


def threshold(rule, *, background=BACKGROUND, is_relative=False):
    return rule.threshold_nats_of(HELD_OUT, background, is_relative=is_relative)


def test_shares_are_quantiles():
    """Of the liked images what is to be kept, of the background what may pass."""
    assert np.mean(threshold(ThresholdRule(keep_ratio=0.9)) <= HELD_OUT) == pytest.approx(0.91)
    assert np.mean(threshold(ThresholdRule(pass_ratio=0.25)) <= BACKGROUND) == pytest.approx(0.25)
    assert threshold(ThresholdRule(threshold_nats=-3.5)) == -3.5


def test_a_relative_threshold_is_not_under_nought():
    """By a share of the liked images; by a share of the background, or as stated, it may be."""
    assert threshold(ThresholdRule(keep_ratio=0.95)) < 0.0
    assert threshold(ThresholdRule(keep_ratio=0.95), is_relative=True) == 0.0
    assert threshold(ThresholdRule(keep_ratio=0.5), is_relative=True) > 0.0
    assert threshold(ThresholdRule(pass_ratio=0.5), is_relative=True) < 0.0
    assert threshold(ThresholdRule(threshold_nats=-1.0), is_relative=True) == -1.0


def test_a_share_of_nothing():
    """Without a background there is no pass ratio; without a rule no threshold."""
    with pytest.raises(NoBackground, match="share of the background sample, and none was given"):
        threshold(ThresholdRule(pass_ratio=0.5), background=np.empty(0))
    with pytest.raises(InvalidInput, match="nothing says where the threshold goes"):
        threshold(ThresholdRule())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"keep_ratio": 0.0}, "keep_ratio is 0, not over 0 and up to 1"),
        ({"keep_ratio": 1.01}, "keep_ratio is 1.01"),
        ({"pass_ratio": float("nan")}, "pass_ratio is nan"),
        ({"pass_ratio": -1.0}, "pass_ratio is -1"),
        ({"threshold_nats": float("inf")}, "threshold_nats is inf, not a finite number"),
        ({"keep_ratio": 0.5, "threshold_nats": 0.0}, "keep_ratio and threshold_nats are set"),
    ],
)
def test_rules_that_are_none(fields, problem):
    """Out of range, or two at once."""
    with pytest.raises(InvalidInput, match=problem):
        ThresholdRule(**fields)


def test_the_rule_of_a_taste():
    """The ratio that it was asked for, or else the threshold itself."""
    assert ThresholdRule.of(taste()) == ThresholdRule(keep_ratio=0.95)
    by_background = taste(keep_ratio=None, pass_ratio=0.1)
    assert ThresholdRule.of(by_background) == ThresholdRule(pass_ratio=0.1)
    assert ThresholdRule.of(taste(keep_ratio=None)) == ThresholdRule(threshold_nats=-2.5)


def test_whether_one_is_stated():
    """A threshold of 0 is one."""
    assert not ThresholdRule().is_stated
    assert ThresholdRule(threshold_nats=0.0).is_stated
