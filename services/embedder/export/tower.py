"""The image tower: a pretrained network and what has to be said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from services.servicekit.encoder_description import Preprocessing


@dataclass(frozen=True, slots=True)
class ImageTower:
    """A network that turns preprocessed images into vectors.

    Attributes:
        name: What a person calls the encoder, for example `clip-vit-b-32`.
        architecture: The network's name; part of the encoder id.
        network: (N, 3, input_height_px, input_width_px) float32, normalised → (N, dimension)
            float32, of any length. In evaluation mode.
        weights: The tensors that the network uses, by the names they have at their origin.
        weights_source: Where the weights come from.
        weights_licence: What they may be used under.
        preprocessing: What the network was trained with, or what was asked for instead.
    """

    name: str
    architecture: str
    network: nn.Module
    weights: Mapping[str, torch.Tensor]
    weights_source: str
    weights_licence: str
    preprocessing: Preprocessing
