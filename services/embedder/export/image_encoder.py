"""The image encoder: the tower with everything folded in that is not resizing."""

from __future__ import annotations

import torch
from torch import nn

from services.embedder.export.tower import ImageTower

_NORM_MIN = 1e-12


class ImageEncoder(nn.Module):
    """Pixels in, embeddings out: (N, H, W, 3) uint8 RGB → (N, dimension) float32, L2 norm 1."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.network = tower.network
        self.register_buffer("mean", _per_channel(tower.preprocessing.mean))
        self.register_buffer("std", _per_channel(tower.preprocessing.std))
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalises, computes and scales to the unit sphere."""
        channels_first = pixels.permute(0, 3, 1, 2).to(torch.float32)
        vectors = self.network((channels_first - self.mean) / self.std)
        norms = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        return vectors / norms.clamp_min(_NORM_MIN)


def _per_channel(values: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)
