"""CLIP models: the image tower of any architecture that open_clip knows."""

from __future__ import annotations

import difflib
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import nn

from services.embedder.export.errors import (
    NotExportable,
    UnknownEncoder,
    UnknownPretrainedTag,
    error_line,
)
from services.embedder.export.names import CLIP_PREFIX
from services.embedder.export.open_clip_import import import_open_clip
from services.embedder.export.open_clip_weights import load_weights
from services.embedder.export.tower import ImageTower
from services.embedder.export.weights_choice import PretrainedTag, RandomWeights, WeightsChoice
from services.servicekit.encoder_description import Preprocessing
from services.servicekit.resize import ResizeRule

_RESIZE_RULES = {"shortest": ResizeRule.CENTER_CROP, "squash": ResizeRule.SQUASH}
_QUICK_GELU = "-quickgelu"


def load_open_clip_tower(
    name: str, weights: WeightsChoice, resize: ResizeRule | None = None
) -> ImageTower:
    """The image tower of an open_clip model, with the model's own preprocessing.

    Args:
        name: `clip-` and open_clip's name for the architecture in lower case: `clip-vit-b-32`.
        weights: Where its weights come from.
        resize: Instead of the model's own rule.

    Raises:
        UnknownEncoder: open_clip has no such architecture.
        UnknownPretrainedTag: The architecture has no such pretrained weights.
        WeightsUnavailable: The hub cannot be reached.
        CheckpointMissing: There is no such file.
        CheckpointUnusable: The file does not hold this architecture's weights.
        NotExportable: The model cannot be made here, or resizes as encoders here do not.
    """
    open_clip = import_open_clip()
    architecture = _architecture(open_clip, name)
    facts = _pretrained_facts(open_clip, name, architecture, weights)
    # Weights trained with QuickGELU give other embeddings without it; open_clip only warns.
    config = open_clip.get_model_config(architecture)
    quick_gelu = bool(config.get("quick_gelu") or facts.get("quick_gelu"))
    if isinstance(weights, RandomWeights):
        torch.manual_seed(weights.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _create(open_clip, name, architecture, facts, quick_gelu=quick_gelu)
        preprocessing = _preprocessing(name, open_clip.get_model_preprocess_cfg(model), resize)
        origin = load_weights(open_clip, model, architecture=architecture, weights=weights)
    suffix = _QUICK_GELU if quick_gelu else ""
    return ImageTower(
        name=name,
        architecture=f"open_clip/{architecture.removesuffix(_QUICK_GELU)}{suffix}",
        network=PooledOutput(model.visual).eval(),
        weights=model.visual.state_dict(),
        weights_source=origin.source,
        weights_licence=origin.licence,
        preprocessing=preprocessing,
    )


class PooledOutput(nn.Module):
    """A CLIP image tower's pooled vector: (N, 3, H, W) → (N, dimension), both float32."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Drops the tokens that CoCa's towers give beside the pooled vector."""
        output = self.visual(images)
        return output[0] if isinstance(output, tuple) else output


def _architecture(open_clip: ModuleType, name: str) -> str:
    known = {f"{CLIP_PREFIX}{model.lower()}": str(model) for model in open_clip.list_models()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=5, cutoff=0.3)
        raise UnknownEncoder(name, tuple(near) or ("clip-vit-b-32", "clip-vit-l-14"))
    return known[name]


def _pretrained_facts(
    open_clip: ModuleType, name: str, architecture: str, weights: WeightsChoice
) -> dict[str, Any]:
    """What open_clip knows about a tag's training; empty for other weights."""
    if not isinstance(weights, PretrainedTag):
        return {}
    facts: dict[str, Any] = open_clip.get_pretrained_cfg(architecture, weights.tag)
    if not facts:
        known = open_clip.list_pretrained_tags_by_model(architecture)
        raise UnknownPretrainedTag(name, weights.tag, tuple(known))
    return facts


def _create(
    open_clip: ModuleType, name: str, architecture: str, facts: dict[str, Any], *, quick_gelu: bool
) -> Any:
    """An untrained model that resizes and normalises as `facts` say."""
    try:
        return open_clip.create_model(
            architecture,
            pretrained_text=False,
            force_quick_gelu=quick_gelu,
            force_preprocess_cfg=facts,
        )
    except (ImportError, OSError, RuntimeError) as error:
        raise NotExportable(name, error_line(error)) from error


def _preprocessing(name: str, facts: dict[str, Any], resize: ResizeRule | None) -> Preprocessing:
    if facts["interpolation"] != "bicubic":
        raise NotExportable(name, f"it resizes by {facts['interpolation']} interpolation")
    if resize is None and facts["resize_mode"] not in _RESIZE_RULES:
        problem = f"it resizes by {facts['resize_mode']!r}; choose a rule with --resize"
        raise NotExportable(name, problem)
    size = facts["size"]
    height_px, width_px = (size, size) if isinstance(size, int) else size
    return Preprocessing(
        input_width_px=width_px,
        input_height_px=height_px,
        resize=resize or _RESIZE_RULES[facts["resize_mode"]],
        mean=_on_255(facts["mean"]),
        std=_on_255(facts["std"]),
    )


def _on_255(values: tuple[float, float, float]) -> tuple[float, float, float]:
    # Nine decimals: what the product adds behind them is noise, and would stand in the encoder id.
    red, green, blue = (round(value * 255.0, 9) for value in values)
    return red, green, blue
