"""Runs one image through what the crawler does with bytes: placeholders, a real worker process, the screen."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from services.crawler.candidate import DecodedCandidate
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.outcome import FetchFailed
from services.crawler.screen import Screen
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.errors import ItemRejected
from services.servicekit.resize import InputShape
from tests.hostile.image_builders import digest
from tests.hostile.image_case import FETCHED, INPUT_PX, ImageCase

_SCREEN = Screen(min_pixels=0)
_INPUT = {"embedder": InputShape(INPUT_PX, INPUT_PX)}
_CLEAN_BYTES = 16_000_000
_COLOR_SLACK = 8


@dataclass(frozen=True)
class SeenImage:
    """What became of an image.

    Attributes:
        outcome: The reason, or FETCHED.
        message: What the failure says; empty if there is none.
        candidate: What the worker made of it; None if it failed.
        seconds: How long the worker took.
        grown_bytes: By how much it has grown at its largest; None if it was killed.
        killed: Whether it cost the worker's life.
    """

    outcome: str
    message: str
    candidate: DecodedCandidate | None
    seconds: float
    grown_bytes: int | None
    killed: bool


class ImageRun:
    """One decoder with one worker; a worker that has grown is replaced before the next image."""

    def __init__(self, wall_s: float) -> None:
        self._decoder = Decoder(shapes=_INPUT, worker_limits=WorkerLimits(workers=1, wall_s=wall_s))
        self._ready_bytes = 0

    async def run(self, case: ImageCase) -> SeenImage:
        """Decodes the image of a case."""
        content = case.make()
        pid = await self._fresh_worker()
        candidate, outcome, message = None, FETCHED, ""
        began = time.monotonic()
        try:
            candidate = await self._candidate(case, content)
        except FetchFailed as failure:
            outcome, message = failure.reason.value, str(failure)
        seconds = time.monotonic() - began
        killed = self._decoder.worker_pids != [pid]
        grown = None if killed else _largest_bytes(pid) - self._ready_bytes
        return SeenImage(outcome, message, candidate, seconds, grown, killed)

    async def _candidate(self, case: ImageCase, content: bytes) -> DecodedCandidate:
        placeholders = case.placeholders()
        placeholders.refuse_bytes(digest(content), final_url="")
        try:
            decoded = await self._decoder.decode(content)
            _SCREEN.check(decoded.width_px, decoded.height_px)
        except ItemRejected as rejection:
            raise FetchFailed.from_rejection(rejection, final_url="") from rejection
        placeholders.refuse_picture(decoded.fingerprint, final_url="")
        return decoded

    async def _fresh_worker(self) -> int:
        """The id of a worker that has nothing left of an earlier image."""
        [worker] = self._decoder._workers
        pids = self._decoder.worker_pids
        if not pids or psutil.Process(pids[0]).memory_info().rss > self._ready_bytes + _CLEAN_BYTES:
            worker.kill()
            await worker.ensure_started()
            [pid] = self._decoder.worker_pids
            self._ready_bytes = psutil.Process(pid).memory_info().rss
        [pid] = self._decoder.worker_pids
        _forget_largest(pid)
        return pid


@asynccontextmanager
async def image_run(*, wall_s: float) -> AsyncIterator[ImageRun]:
    """A run whose worker is killed after so many seconds with one image."""
    run = ImageRun(wall_s)
    async with run._decoder:
        yield run


def _forget_largest(pid: int) -> None:
    """Lets the kernel begin anew with the largest resident size."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _largest_bytes(pid: int) -> int:
    """The largest resident size since it was forgotten."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


def is_near(candidate: DecodedCandidate, other: DecodedCandidate) -> bool:
    """Whether the crawler takes one for a duplicate of the other."""
    seen = SeenImages()
    seen.add_kept("0" * 64, other.fingerprint)
    return seen.find("any", "f" * 64, candidate) is not None


def wrong_colors(case: ImageCase, candidate: DecodedCandidate) -> dict[tuple[int, int], list[int]]:
    """Where the worker's input shows something else than it must."""
    pixels = candidate.inputs["embedder"]
    return {
        place: pixels[place].tolist()
        for place, color in case.colors.items()
        if np.abs(pixels[place].astype(int) - color).max() > _COLOR_SLACK
    }
