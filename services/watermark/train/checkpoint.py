"""The state of a training between two steps, as a file."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from services.servicekit.errors import Misconfigured
from services.watermark.train.claim import CHECKPOINT_FILE
from services.watermark.writing import replacing

_UNREADABLE = (
    *(OSError, RuntimeError, EOFError, pickle.UnpicklingError),
    *(TypeError, ValueError, LookupError, AttributeError),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a training goes on from; its batches hang on the step alone.

    Attributes:
        plan: What the training was started with; another one cannot go on from here.
        step: Steps done.
        network: The network's `state_dict`.
        optimizer: The optimizer's.
        history: The points of the curves.
        losses: Of the steps since the last point.
    """

    plan: dict[str, Any]
    step: int
    network: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, float]]
    losses: list[float]

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.step == self.plan.get("steps")


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Replaces the folder's checkpoint whole: a crash leaves the one before.

    Raises:
        FileNotWritten: The disk is full, for example; the one before stays.
    """
    # torch's own writer to a file says nothing of why it failed.
    content = io.BytesIO()
    torch.save({name: getattr(checkpoint, name) for name in Checkpoint.__slots__}, content)
    with replacing(folder / CHECKPOINT_FILE) as draft:
        draft.write_bytes(content.getbuffer())


def load_checkpoint(folder: Path, plan: dict[str, Any]) -> Checkpoint:
    """Reads the checkpoint of a folder. One whose steps are all done may be of another variant.

    Raises:
        Misconfigured: There is none, it cannot be read, or it is of another plan.
    """
    path = folder / CHECKPOINT_FILE
    try:
        checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        message = f"{path}: there is no checkpoint to go on from"
        raise Misconfigured(message) from error
    except _UNREADABLE as error:
        raise not_of_this_training(folder) from error
    if not _is_sound(checkpoint):
        raise not_of_this_training(folder)
    for name, value in plan.items():
        held = checkpoint.plan.get(name)
        if held != value and not (name == "variant" and checkpoint.done):
            message = f"{path}: it was trained with {name} {held}, not {value}"
            raise Misconfigured(message)
    return checkpoint


def not_of_this_training(folder: Path) -> Misconfigured:
    """What a folder's checkpoint is refused with if its content is not what a training leaves."""
    return Misconfigured(f"{folder / CHECKPOINT_FILE}: this is no checkpoint of this training")


def _is_sound(checkpoint: Checkpoint) -> bool:
    """Whether everything is of its type, and no point of the curves is missing that must be there."""
    return (
        isinstance(checkpoint.plan, dict)
        and type(checkpoint.step) is int
        and 0 < checkpoint.step <= checkpoint.plan.get("steps", checkpoint.step)
        and isinstance(checkpoint.network, dict)
        and isinstance(checkpoint.optimizer, dict)
        and _are_points(checkpoint.history)
        and isinstance(checkpoint.losses, list)
        and all(type(loss) is float for loss in checkpoint.losses)
        and bool(checkpoint.history or not checkpoint.done)
    )


def _are_points(history: object) -> bool:
    if not isinstance(history, list) or not all(isinstance(point, dict) for point in history):
        return False
    return all(
        point.keys() == history[0].keys()
        and {"step", "loss"} <= point.keys()
        and all(type(value) is float for value in point.values())
        for point in history
    )
