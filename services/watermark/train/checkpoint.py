"""The state of a training between two steps, as a file."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from services.servicekit.disk import sync
from services.servicekit.errors import Misconfigured

CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a training goes on from; its batches hang on the step alone.

    Attributes:
        plan: What the training was started with; another one cannot go on from here.
        step: Steps done.
        network: The network's `state_dict`.
        optimizer: The optimizer's.
        history: The points of the curves.
    """

    plan: dict[str, Any]
    step: int
    network: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, float]]


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Replaces the folder's checkpoint whole: a crash leaves the one before."""
    path = folder / CHECKPOINT_FILE
    draft = path.with_suffix(".draft")
    fields = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    torch.save(fields, draft)
    sync(draft)
    draft.replace(path)
    sync(folder)


def load_checkpoint(folder: Path, plan: dict[str, Any]) -> Checkpoint:
    """Reads the checkpoint of a folder.

    Raises:
        Misconfigured: There is none, it cannot be read, or it is of another plan.
    """
    path = folder / CHECKPOINT_FILE
    try:
        checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        message = f"{path}: there is no checkpoint to go on from"
        raise Misconfigured(message) from error
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        message = f"{path}: this is no checkpoint of a training"
        raise Misconfigured(message) from error
    for name, value in plan.items():
        if checkpoint.plan.get(name) != value:
            message = f"{path}: it was trained with {name} {checkpoint.plan.get(name)}, not {value}"
            raise Misconfigured(message)
    return checkpoint
