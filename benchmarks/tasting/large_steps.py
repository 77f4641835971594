"""The steps of a large fit, each run as a process of its own: draw, fit, send. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.tasting import trials
from benchmarks.tasting.simulated import clip_shaped
from lodestone.client import NoveltyClient
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32, Embedding
from lodestone.novelty.v1.novelty_service_pb2 import FitOptions

_ENCODER_ID: Final = "0" * 64
_READY_S: Final = 60.0
_UNSEEN: Final = 5000


def draw(count: str, path: str) -> dict[str, Any]:
    """Writes so many CLIP-shaped embeddings."""
    np.save(path, clip_shaped(0).draw(int(count), 2), allow_pickle=False)
    return {"bytes": Path(path).stat().st_size}


def fit(path: str) -> dict[str, Any]:
    """Fits a taste to them, and says what passes of unseen ones."""
    taste = trials.fit(np.load(path, allow_pickle=False))
    unseen = clip_shaped(0).draw(_UNSEEN, 1)
    return {
        "form": taste.mixture.covariance.value,
        "components": taste.mixture.component_count,
        "kept": float(np.mean(taste.mixture.log_likelihoods(unseen) >= taste.threshold_nats)),
        "warnings": list(taste.warnings),
    }


def send(address: str, path: str) -> dict[str, Any]:
    """Has a novelty service fit them."""
    return asyncio.run(_send(address, path))


async def _send(address: str, path: str) -> dict[str, Any]:
    async with NoveltyClient(address) as novelty:
        async with asyncio.timeout(_READY_S):
            await novelty.channel.channel_ready()
        options = FitOptions(request_id="large", name="large")
        profile = await novelty.fit_profile(options, _Rows(path))
    return {
        "liked": profile.liked_count,
        "components": profile.component_count,
        "expected_keep": [profile.expected_keep.low, profile.expected_keep.high],
        "warnings": list(profile.warnings),
    }


class _Rows(Collection[Embedding]):
    """The rows of an .npy file as messages, made as they are asked for."""

    def __init__(self, path: str) -> None:
        self._rows = np.load(path, mmap_mode="r", allow_pickle=False)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Embedding]:
        for row in self._rows:
            values = row.tolist()
            yield Embedding(values=values, encoder_id=_ENCODER_ID, precision=PRECISION_FP32)

    def __contains__(self, _one: object) -> bool:
        return False


_STEPS: Final = {"draw": draw, "fit": fit, "send": send}

if __name__ == "__main__":
    print(json.dumps(_STEPS[sys.argv[1]](*sys.argv[2:])))
