"""Writes the golden embeddings with torch: `python -m tests.embedder.make_golden`."""

from __future__ import annotations

import json

import torch

from services.embedder.export.efficientnet_lite import load_efficientnet_lite0
from services.embedder.export.image_encoder import ImageEncoder
from services.embedder.export.weights_digest import weights_digest
from services.servicekit.encoder_description import encoder_id_of
from tests.embedder.golden import EVERY, GOLDEN_FILE, golden_pixels

SIZES = ((224, 224), (320, 200))


def main() -> None:
    """Computes the embedding of each size's image and replaces the file."""
    tower = load_efficientnet_lite0()
    encoder = ImageEncoder(tower)
    cases = []
    for width_px, height_px in SIZES:
        pixels = golden_pixels(width_px, height_px)
        with torch.no_grad():
            embedding = encoder(torch.from_numpy(pixels.copy())[None])[0]
        values = [round(float(value), 7) for value in embedding[::EVERY]]
        cases.append({"width_px": width_px, "height_px": height_px, "values": values})
    digest = weights_digest(tower.weights)
    encoder_id = encoder_id_of(tower.architecture, digest, tower.preprocessing)
    GOLDEN_FILE.write_text(json.dumps({"encoder_id": encoder_id, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
