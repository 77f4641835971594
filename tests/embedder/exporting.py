"""What the export tests share: towers, images, and two ways to compute an embedding."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from services.embedder.export.weights_choice import RandomWeights
from services.servicekit.encoder_description import encoder_id_of
from services.servicekit.encoder_folder import load_encoder_folder
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend

LITE0 = "efficientnet-lite0"
CLIP = "clip-vit-b-32"
SMALL_CLIP = "clip-vit-s-32"


def load_tower(name, resize=None, seed=7):
    """The tower of this name; a CLIP one is untrained, since its weights are on a hub."""
    from services.embedder.export.efficientnet_lite import load_efficientnet_lite0
    from services.embedder.export.open_clip_tower import load_open_clip_tower

    if name == LITE0:
        return load_efficientnet_lite0(resize)
    return load_open_clip_tower(name, RandomWeights(seed), resize)


def export(tower, path):
    """Writes the tower's encoder into an existing folder and loads it."""
    from services.embedder.export.folder import write_encoder

    write_encoder(tower, path)
    return load_encoder_folder(path)


def tower_id(tower):
    """The encoder id that the tower would be exported under."""
    from services.embedder.export.weights_digest import weights_digest

    return encoder_id_of(tower.architecture, weights_digest(tower.weights), tower.preprocessing)


def run_onnx(folder, pixels):
    """The graph on (N, H, W, 3) uint8, as it is served."""
    backend = OnnxRuntimeBackend(folder.read_model(), BackendOptions(threads=2))
    return backend.run(pixels)[0]


def run_network(tower, images):
    """The tower alone on normalised NCHW float32, scaled to length 1 by NumPy."""
    import torch

    with torch.no_grad():
        vectors = tower.network(torch.from_numpy(np.ascontiguousarray(images))).numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def smooth_noise(width_px, height_px, seed):
    """A picture-like image: noise at several scales, added up."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height_px, width_px, 3))
    for cells, weight in ((4, 0.6), (16, 0.3), (64, 0.1)):
        noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = PillowImage.fromarray(noise).resize((width_px, height_px), PillowImage.BICUBIC)
        total += weight * np.asarray(layer)
    return total.clip(0, 255).astype(np.uint8)


def batch_of(count):
    """(count, 224, 224, 3) uint8 of different images."""
    return np.stack([smooth_noise(224, 224, seed) for seed in range(count)])


@dataclass(frozen=True)
class Finished:
    """What a finished command left.

    Attributes:
        status: Its exit status.
        output: Its standard output.
        errors: Its standard error.
    """

    status: int
    output: str
    errors: str


def run_command(*arguments):
    """The export command in a process of its own, without a hub."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        status = subprocess.run(
            [sys.executable, "-m", "services.embedder.export", *map(str, arguments)],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            cwd=Path(__file__).parents[2],
            stdout=output,
            stderr=errors,
            timeout=300,
            check=False,
        ).returncode
        output.seek(0)
        errors.seek(0)
        return Finished(status, output.read(), errors.read())
