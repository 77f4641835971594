"""Watermarks: images through one stream of the service against its network alone, the goal beside the measured value.

JSON on standard output, lines for people on standard error. The goal is compared with CPU time, client and server
together: wall times depend on what else the machine does. Network and stream take turns in one run. The exit status is
1 if the goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import numpy as np

from benchmarks.serving.machine import machine_facts
from benchmarks.serving.service_process import ServiceProcess, service_process
from lodestone.client import WatermarkClient
from lodestone.image.v1.image_pb2 import Image
from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.messages import rgb_to_image
from services.watermark.config import WatermarkSettings
from services.watermark.detector import Detector
from services.watermark.detector_folder import DETECTORS, load_detector_folder

GOAL_PER_S = 25.0
"""Images in a second of two cores."""

_CORES = 2
_READY_S = 60.0
_DISTINCT = 16


class RawNetwork:
    """The detector's network without a service: as many batches at once, and of the size, that the service computes."""

    def __init__(self) -> None:
        settings = WatermarkSettings()
        folder = load_detector_folder(DETECTORS.find(settings.detector, settings.data))
        self.name = folder.description.name
        options = BackendOptions(threads=settings.threads, instances=settings.instances)
        self._backend = OnnxRuntimeBackend(folder.model, options)
        detector = Detector(folder, self._backend, threshold=None)
        self._batch = detector.warm_up(settings.max_batch).largest
        self._threads = ThreadPoolExecutor(self._backend.instances)

    def run(self, images: np.ndarray[Any, np.dtype[np.uint8]], count: int) -> dict[str, float]:
        """Computes about `count` images; images per second of wall and of CPU."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        batches = -(-count // self._batch)
        for _ in self._threads.map(self._backend.run, [images[: self._batch]] * batches):
            pass
        return _rates(batches * self._batch, time.monotonic() - wall_s, time.process_time() - cpu_s)


async def stream(
    service: ServiceProcess, client: WatermarkClient, messages: list[Image], count: int
) -> dict[str, float]:
    """Sends `count` images over one stream, 64 in flight; images per second of wall and of CPU."""
    wall_s, client_s, server_s = time.monotonic(), time.process_time(), service.cpu_s()
    results = await asyncio.gather(
        *(client.detect(messages[number % len(messages)]) for number in range(count))
    )
    wall_s, client_s = time.monotonic() - wall_s, time.process_time() - client_s
    judged = sum(result.HasField("value") for result in results)
    if judged != count:
        raise RuntimeError(f"{judged} of {count} images were judged")
    return _rates(count, wall_s, client_s + service.cpu_s_since(server_s))


async def measure(count: int, repeats: int) -> dict[str, Any]:
    """The medians of both, in turns; a first turn is not counted."""
    drawn = np.random.default_rng(0).integers(0, 256, (_DISTINCT, 448, 448, 3), np.uint8)
    messages = [rgb_to_image(one) for one in drawn]
    network = RawNetwork()
    raw: list[dict[str, float]] = []
    streamed: list[dict[str, float]] = []
    async with (
        service_process("watermark") as service,
        WatermarkClient(service.address) as client,
    ):
        async with asyncio.timeout(_READY_S):
            await client.channel.channel_ready()
        for turn in range(repeats + 1):
            one = network.run(drawn, count)
            other = await stream(service, client, messages, count)
            if turn:
                raw.append(one)
                streamed.append(other)
    return {"detector": network.name, "network": _middle(raw), "stream": _middle(streamed)}


def main() -> int:
    """Measures and prints. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=128, help="images in a turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    options = parser.parse_args()
    if min(options.count, options.repeats) < 1:
        parser.error("at least one image and one turn are needed")
    measured = asyncio.run(measure(options.count, options.repeats))
    report = report_of(measured)
    print(
        json.dumps({**report, "machine": machine_facts("onnxruntime", "grpcio", "numpy")}, indent=2)
    )
    print(
        f"images/s through one stream, of two cores' CPU time: goal >= {GOAL_PER_S:g}, "
        f"measured {report['images_per_s_of_two_cores']}; "
        f"{measured['stream']['per_wall_s']} by the clock, {report['ratio']} of the network alone "
        f"(load {os.getloadavg()[0]:.1f})",
        file=sys.stderr,
    )
    return 0 if report["goal_met"] else 1


def report_of(measured: dict[str, Any]) -> dict[str, Any]:
    """The goal beside what was measured, and the stream's share of the network's speed, both by CPU time."""
    per_s = round(measured["stream"]["per_cpu_s"] * _CORES, 1)
    return {
        "goal": f">= {GOAL_PER_S:g} images/s on two cores",
        "images_per_s_of_two_cores": per_s,
        "goal_met": per_s >= GOAL_PER_S,
        "ratio": round(measured["stream"]["per_cpu_s"] / measured["network"]["per_cpu_s"], 2),
        **measured,
    }


def _rates(count: int, wall_s: float, cpu_s: float) -> dict[str, float]:
    return {"per_wall_s": count / wall_s, "per_cpu_s": count / cpu_s}


def _middle(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(run[name] for run in runs), 1) for name in runs[0]}


if __name__ == "__main__":
    sys.exit(main())
