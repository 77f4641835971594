"""Loads the weights of a CLIP model from wherever they were chosen to come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import torch

from services.embedder.export.errors import (
    CheckpointMissing,
    CheckpointUnusable,
    WeightsUnavailable,
    error_line,
    one_line,
)
from services.embedder.export.weights_choice import (
    Checkpoint,
    PretrainedTag,
    RandomWeights,
    WeightsChoice,
)

_NOT_WEIGHTS = "it is neither safetensors nor a torch file of tensors alone"


@dataclass(frozen=True, slots=True)
class WeightsOrigin:
    """Where a model's weights came from, for encoder.json.

    Attributes:
        source: As a person would look it up.
        licence: What they may be used under.
    """

    source: str
    licence: str


def load_weights(
    open_clip: ModuleType, model: Any, *, architecture: str, weights: WeightsChoice
) -> WeightsOrigin:
    """Puts the chosen weights into the model.

    Raises:
        WeightsUnavailable: The hub cannot be reached.
        CheckpointMissing: There is no such file.
        CheckpointUnusable: The file does not hold this architecture's weights.
    """
    match weights:
        case PretrainedTag(tag):
            facts = open_clip.get_pretrained_cfg(architecture, tag)
            hub = facts.get("hf_hub", "").rstrip("/")
            page = f"https://huggingface.co/{hub}" if hub else facts["url"]
            _load_file(open_clip, model, _download(open_clip, facts, page))
            return WeightsOrigin(f"open_clip {tag}, {page}", f"see {page}")
        case Checkpoint(path):
            if not path.is_file():
                raise CheckpointMissing(path)
            _load_file(open_clip, model, path)
            return WeightsOrigin(path.name, "not known: weights from a file")
        case RandomWeights(seed):
            # The model was made under this seed.
            return WeightsOrigin(f"random, seed {seed}, torch {torch.__version__}", "none")


def _download(open_clip: ModuleType, facts: dict[str, Any], page: str) -> Path:
    try:
        return Path(open_clip.download_pretrained(facts))
    except Exception as error:
        raise WeightsUnavailable(page, _hub_sentence(error)) from error


def _hub_sentence(error: Exception) -> str:
    """The first sentence of what the hub's client said; open_clip puts one of its own before."""
    said = str(error).rsplit("Last error: ", maxsplit=1)[-1]
    return one_line(said.split(". ")[0] or type(error).__name__)


def _load_file(open_clip: ModuleType, model: Any, path: Path) -> None:
    try:
        open_clip.load_checkpoint(model, str(path), strict=True, weights_only=True)
    except UnpicklingError as error:
        # torch's own text recommends to run whatever code the file holds.
        raise CheckpointUnusable(path, _NOT_WEIGHTS) from error
    except Exception as error:
        raise CheckpointUnusable(path, error_line(error)) from error
