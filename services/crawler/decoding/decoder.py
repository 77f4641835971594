"""The decoder: strangers' bytes to candidates, in worker processes with limits."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from services.crawler.candidate import DecodedCandidate
from services.crawler.decoding.wire import (
    candidate_from_json,
    inputs_bytes,
    rejection_from_json,
    shapes_to_json,
)
from services.crawler.decoding.worker_process import WorkerDied, WorkerProcess
from services.servicekit.errors import ItemRejected, Unavailable
from services.servicekit.image import DecodeLimits, Rgb
from services.servicekit.rejection import RejectionCode
from services.servicekit.resize import InputShape

Result = TypeVar("Result")

_TRIES = 2


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What the worker processes may use.

    Attributes:
        workers: How many there are; each decodes one image at a time.
        wall_s: How long one image may take, seconds.
        memory_bytes: Address space of a worker over what it has when it starts.
    """

    workers: int = 2
    wall_s: float = 20.0
    memory_bytes: int = 2_000_000_000


class Decoder:
    """Decodes, hashes and resizes images in worker processes; use it as an async context manager.

    A worker has one task at a time, so that its death or hanging touches no other image. It is replaced; a task whose
    worker died is tried once more, since what kills a worker need not be the image, and then rejected.
    """

    def __init__(
        self,
        *,
        shapes: Mapping[str, InputShape],
        limits: DecodeLimits | None = None,
        worker_limits: WorkerLimits | None = None,
    ) -> None:
        """Keeps the settings; `shapes` are the inputs to make of each image, by the word of the service."""
        self._shapes = dict(shapes)
        self._limits = limits or DecodeLimits()
        self._worker_limits = worker_limits or WorkerLimits()
        settings = {
            "limits": asdict(self._limits),
            "shapes": shapes_to_json(self._shapes),
            "memory_bytes": self._worker_limits.memory_bytes,
        }
        self._workers = [
            WorkerProcess(settings, answer_max_bytes=inputs_bytes(self._shapes))
            for _ in range(self._worker_limits.workers)
        ]
        # The last one used is used next: it is awake.
        self._idle: asyncio.LifoQueue[WorkerProcess] = asyncio.LifoQueue()
        self._open = False

    async def __aenter__(self) -> Self:
        """Starts the workers.

        Raises:
            Unavailable: They do not start; they may another time.
        """
        starts = (worker.ensure_started() for worker in self._workers)
        failures = [
            failure
            for failure in await asyncio.gather(*starts, return_exceptions=True)
            if failure is not None
        ]
        if failures:
            await self._end()
            raise Unavailable("the decoder", str(failures[0])) from failures[0]
        for worker in self._workers:
            self._idle.put_nowait(worker)
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that live."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def decode(self, encoded: bytes) -> DecodedCandidate:
        """Decodes an encoded image.

        Raises:
            ItemRejected: It does not decode within the limits; DECODER_CRASHED if it took the worker's life, time or
                memory.
            Unavailable: The decoder is closed, or no worker starts.
        """
        return await self._run({}, encoded, self._candidate)

    async def detail_ratio(self, encoded: bytes, beyond_px: int) -> float:
        """Says how an encoded image's detail compares with that of a copy of so many pixels, as `detail.py` does.

        All of its pixels are decoded for that.

        Raises:
            ItemRejected: As for `decode`.
            Unavailable: As for `decode`.
        """
        return await self._run({"beyond_px": beyond_px}, encoded, _ratio)

    async def decode_pixels(self, rgb: Rgb) -> DecodedCandidate:
        """Makes a candidate of (h, w, 3) uint8 pixels; its format is empty.

        Raises:
            ItemRejected: BAD_PIXELS, TOO_MANY_PIXELS or DECODER_CRASHED.
            Unavailable: As for `decode`.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
            reason = f"{rgb.dtype} pixels of shape {rgb.shape}, not (height, width, 3) uint8"
            raise ItemRejected(RejectionCode.BAD_PIXELS, reason)
        height_px, width_px = rgb.shape[:2]
        if height_px * width_px > self._limits.max_pixels:
            reason = f"{width_px}x{height_px} pixels, over the limit of {self._limits.max_pixels:,}"
            raise ItemRejected(RejectionCode.TOO_MANY_PIXELS, reason)
        task = {"width_px": width_px, "height_px": height_px}
        return await self._run(task, rgb.tobytes(), self._candidate)

    async def _run(
        self,
        task: Mapping[str, Any],
        payload: bytes,
        read: Callable[[dict[str, Any], bytes], Result],
    ) -> Result:
        self._check_open()
        worker = await self._idle.get()
        try:
            for _ in range(_TRIES):
                answer = await self._try(worker, task, payload, read)
                if isinstance(answer, ItemRejected):
                    raise answer
                if answer is not None:
                    return answer
        finally:
            self._idle.put_nowait(worker)
        reason = f"the decoder died of it, {_TRIES} times"
        raise _crashed(reason)

    async def _try(
        self,
        worker: WorkerProcess,
        task: Mapping[str, Any],
        payload: bytes,
        read: Callable[[dict[str, Any], bytes], Result],
    ) -> Result | ItemRejected | None:
        """What the worker makes of a task; None if it died."""
        # Closing kills the workers under their tasks, and wakes those who wait for one.
        self._check_open()
        try:
            await worker.ensure_started()
        except WorkerDied as error:
            raise Unavailable("the decoder", str(error)) from error
        try:
            async with asyncio.timeout(self._worker_limits.wall_s):
                return _result(*await worker.ask(task, payload), read)
        except WorkerDied:
            worker.kill()
            return None
        except TimeoutError:
            worker.kill()
            return _crashed(f"the decoder took over {self._worker_limits.wall_s:g} s for it")
        except BaseException:
            # Cancelled: the answer is still to come, and must not be taken for the next one's.
            worker.kill()
            raise

    def _candidate(self, answer: dict[str, Any], payload: bytes) -> DecodedCandidate:
        return candidate_from_json(answer["candidate"], payload, self._shapes)

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("the decoder", "it is closed")

    async def _end(self) -> None:
        self._open = False
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            await worker.reaped()


def _result(
    answer: dict[str, Any], payload: bytes, read: Callable[[dict[str, Any], bytes], Result]
) -> Result | ItemRejected:
    """What an answer says, every field of which is checked: a worker may be a hostile image's by now."""
    try:
        if "rejection" in answer:
            return rejection_from_json(answer["rejection"])
        return read(answer, payload)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WorkerDied(str(error)) from error


def _ratio(answer: dict[str, Any], _payload: bytes) -> float:
    ratio = answer["detail_ratio"]
    if not isinstance(ratio, float) or not math.isfinite(ratio):
        raise ValueError("the ratio is no number")
    return ratio


def _crashed(reason: str) -> ItemRejected:
    return ItemRejected(RejectionCode.DECODER_CRASHED, reason)
