"""The three graphs that training needs, each as one ONNX file."""

from __future__ import annotations

import torch
from torch import nn

from services.watermark.detector_folder import OUTPUTS
from services.watermark.train.body import Body
from services.watermark.train.calibration import Calibration
from services.watermark.train.network import GRID, TILE_PX, QuadrantNetwork
from services.watermark.train.onnx_file import to_onnx


def early_features_model(body: Body) -> bytes:
    """(N, 224, 224, 3) uint8 → (N, 40, 28, 28) float32: what no training changes."""
    return to_onnx(_Early(body), side_px=TILE_PX, outputs=["features"])


def tile_logits_model(network: QuadrantNetwork) -> bytes:
    """(N, 448, 448, 3) uint8 → (N, 4) float32, before calibration."""
    return to_onnx(_Logits(network), side_px=TILE_PX * GRID, outputs=["logits"])


def calibrated_model(network: QuadrantNetwork, calibration: Calibration) -> bytes:
    """The detector: (N, 448, 448, 3) uint8 → `probability` (N), `quadrant_probabilities` (N, 4)."""
    with torch.no_grad():
        for buffer, line in (
            (network.quadrant_line, calibration.quadrant),
            (network.image_line, calibration.image),
        ):
            buffer.copy_(torch.tensor([line.slope, line.offset]))
    return to_onnx(network, side_px=TILE_PX * GRID, outputs=OUTPUTS)


class _Early(nn.Module):
    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.body.early(pixels)


class _Logits(nn.Module):
    def __init__(self, network: QuadrantNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.network.tile_logits(pixels)
