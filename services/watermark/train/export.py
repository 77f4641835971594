"""A trained network as the ONNX file of a detector."""

from __future__ import annotations

import torch

from services.watermark.detector_folder import OUTPUTS
from services.watermark.train.calibration import Calibration
from services.watermark.train.network import ImageNetwork, TileNetwork, Variant
from services.watermark.train.onnx_file import to_onnx


def calibrated_model(network: TileNetwork, variant: Variant, calibration: Calibration) -> bytes:
    """The detector: (N, s, s, 3) uint8 → `probability` (N), `quadrant_probabilities` (N, 4)."""
    image = calibrated(network, variant, calibration)
    return to_onnx(image, side_px=variant.side_px, outputs=OUTPUTS)


def calibrated(network: TileNetwork, variant: Variant, calibration: Calibration) -> ImageNetwork:
    """The network over whole images, with its lines."""
    image = ImageNetwork(network, variant)
    with torch.no_grad():
        for buffer, line in (
            (image.quadrant_line, calibration.quadrant),
            (image.image_line, calibration.image),
        ):
            buffer.copy_(torch.tensor([line.slope, line.offset]))
    return image.eval()
