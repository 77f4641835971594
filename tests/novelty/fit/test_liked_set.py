from __future__ import annotations

import pytest

from services.novelty.fit.threshold_rule import ThresholdRule
from services.servicekit.errors import InvalidInput
from tests.novelty.tastes import options


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"request_id": ""}, "request_id has 0 characters"),
        ({"request_id": "x" * 129}, "request_id has 129 characters"),
        ({"name": ""}, "cannot be a profile's name"),
        ({"name": "../etc"}, "cannot be a profile's name"),
        ({"component_count": -1}, "component_count is -1"),
        ({"component_count": 257}, "component_count is 257"),
        ({"keep_ratio": 0.0}, "keep_ratio is 0"),
        ({"keep_ratio": -0.1}, "keep_ratio is -0.1"),
        ({"keep_ratio": 1.001}, "keep_ratio is 1.001"),
        ({"keep_ratio": float("nan")}, "keep_ratio is nan"),
        ({"keep_ratio": float("inf")}, "keep_ratio is inf"),
        ({"pass_ratio": 0.0}, "pass_ratio is 0"),
        ({"pass_ratio": float("nan")}, "pass_ratio is nan"),
        ({"threshold_nats": float("inf")}, "threshold_nats is inf"),
        ({"base_profile": "../up"}, "'../up' names no profile"),
        ({"keep_ratio": 0.9, "pass_ratio": 0.1}, "keep_ratio and pass_ratio are set"),
        ({"pass_ratio": 0.1, "threshold_nats": 0.0}, "pass_ratio and threshold_nats are set"),
    ],
)
def test_options_out_of_range(change, problem):
    """Each option is refused by name and value."""
    with pytest.raises(InvalidInput, match=problem):
        options(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": "x"},
        {"request_id": "x" * 128},
        {"name": "a"},
        {"name": "a" * 64},
        {"component_count": 0},
        {"component_count": 1},
        {"component_count": 256},
        {"keep_ratio": 1.0},
        {"keep_ratio": 5e-324},
        {"pass_ratio": 1.0},
        {"threshold_nats": 0.0},
        {"seed": -(2**63)},
        {"base_profile": "landscapes"},
        {"base_profile": "landscapes@2"},
    ],
)
def test_options_at_their_limits(change):
    """The ends of the ranges are inside, and are kept as they were given."""
    ((name, value),) = change.items()
    assert getattr(options(**change), name) == value


def test_the_keep_ratio_has_a_default_where_nothing_else_is_stated():
    """0.95; none where the threshold is set in another way."""
    assert options().threshold_rule == ThresholdRule(keep_ratio=0.95)
    assert not options().stated_threshold_rule.is_stated
    assert options(keep_ratio=0.5).threshold_rule == ThresholdRule(keep_ratio=0.5)
    assert options(pass_ratio=0.5).threshold_rule == ThresholdRule(pass_ratio=0.5)
    assert options(threshold_nats=0.0).threshold_rule == ThresholdRule(threshold_nats=0.0)
