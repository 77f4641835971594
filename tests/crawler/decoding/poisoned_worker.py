"""A worker that does to itself what hostile images may do to a decoder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.crawler.candidate import DecodedCandidate
from services.crawler.decoding import worker


def hang() -> None:
    time.sleep(3_600)


def spin() -> None:
    while True:
        pass


def fail() -> None:
    raise RuntimeError("a fault\nof ours")


def die_once() -> None:
    """Dies while the file is there to be removed: the first time only."""
    marker = Path("once")
    if marker.exists():
        marker.unlink()
        os.abort()


HARMS: dict[bytes, Callable[[], Any]] = {
    b"abort": os.abort,
    b"exit": lambda: os._exit(3),
    b"hang": hang,
    b"spin": spin,
    b"memory": lambda: bytearray(1 << 40),
    b"bug": fail,
    b"once": die_once,
}
NONSENSE: dict[bytes, dict[str, Any]] = {
    b"nonsense": {"width_px": "wide"},
    b"too short": {"inputs": {}},
}


class PoisonedBench(worker.Workbench):
    """Does harm on certain bytes and works on others."""

    def work(self, task: Mapping[str, Any], payload: bytes) -> DecodedCandidate:
        if payload not in HARMS and payload not in NONSENSE and payload != b"too long":
            return super().work(task, payload)
        HARMS.get(payload, int)()
        candidate = super().work({"width_px": 1, "height_px": 1}, b"abc")
        if payload == b"too long":
            word, pixels = next(iter(candidate.inputs.items()))
            return replace(candidate, inputs=dict(candidate.inputs) | {f"{word}2": pixels})
        return replace(candidate, **NONSENSE.get(payload, {}))


if __name__ == "__main__":
    worker.main(PoisonedBench)
