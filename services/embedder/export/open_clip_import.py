"""Imports open_clip, beside a CPU build of torch too."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

# The two operators that torchvision registers a Python side for while it is imported.
_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_open_clip() -> ModuleType:
    """The module `open_clip`; it imports torchvision.

    A torchvision built for CUDA cannot load its library beside a CPU build of torch, and its import
    then fails with "operator torchvision::nms does not exist". Declaring the schemas is enough: no
    image tower calls the operators. Where the builds match nothing is declared, since that would
    clash with the real ones.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for operator in _OPERATORS:
            torch.library.define(f"torchvision::{operator}", _SCHEMA)
    return importlib.import_module("open_clip")
