"""Whether what a checkpoint holds belongs to a network and its optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_MOMENTS = ("exp_avg", "exp_avg_sq")


def fits_network(state: dict[str, Any], network: nn.Module) -> bool:
    """Whether a `state_dict` has the network's tensors, all of finite numbers."""
    own = network.state_dict()
    return state.keys() == own.keys() and all(
        _is_like(state[name], tensor) for name, tensor in own.items()
    )


def fits_optimizer(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> bool:
    """Whether a `state_dict` has the groups of an AdamW, but for their rates, and moments of each of its parameters."""
    if state.keys() != {"state", "param_groups"}:
        return False
    own = optimizer.state_dict()["param_groups"]
    if _without_rates(state["param_groups"]) != _without_rates(own):
        return False
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    moments = state["state"]
    return (
        isinstance(moments, dict)
        and moments.keys() == set(range(len(parameters)))
        and all(_are_moments(moments[number], each) for number, each in enumerate(parameters))
    )


def _without_rates(groups: object) -> object:
    """The groups; something else if they are none."""
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        return None
    return [{name: value for name, value in group.items() if name != "lr"} for group in groups]


def _are_moments(moments: object, parameter: torch.Tensor) -> bool:
    return (
        isinstance(moments, dict)
        and moments.keys() == {"step", *_MOMENTS}
        and _is_like(moments["step"], torch.zeros(()))
        and all(_is_like(moments[name], parameter) for name in _MOMENTS)
    )


def _is_like(value: object, tensor: torch.Tensor) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and (value.shape, value.dtype) == (tensor.shape, tensor.dtype)
        and bool(torch.isfinite(value).all())
    )
