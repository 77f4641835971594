"""The embedding cache: what an image costs the embedder without a cache, as a miss, and as a hit.

JSON on standard output, a line for people on standard error. Two services run side by side, one with a cache, and take
turns over the same images, which neither has seen; then the one with a cache gets them again. CPU time is that of the
server's process alone: wall times depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import time
from statistics import median
from typing import Any

from PIL import Image as PillowImage

from benchmarks.fetching.photos import draw
from benchmarks.serving.machine import machine_facts
from benchmarks.serving.service_process import ServiceProcess, service_process
from lodestone.client import EmbedderClient
from lodestone.image.v1.image_pb2 import Image, Pixels

_SEED = 2026
_PHOTOS = 4
_LONG_SIDE_PX = 1024
_INPUT_PX = 224
_READY_S = 120.0
# A hit takes less than the kernel's clock can tell of a few.
_HIT_ROUNDS = 8
_CACHE_BYTES = 64_000_000


class NewImages:
    """Images that nobody has sent before: a few photos, each time with other bytes."""

    def __init__(self) -> None:
        photos = [
            PillowImage.open(io.BytesIO(draw(_SEED, number))).convert("RGB")
            for number in range(_PHOTOS)
        ]
        self._jpegs = [_jpeg(photo) for photo in photos]
        self._pixels = [photo.resize((_INPUT_PX, _INPUT_PX)).tobytes() for photo in photos]
        self._made = 0

    def encoded(self, count: int) -> list[Image]:
        """JPEGs with a longer side of 1024 pixels; what follows the end of the file makes another file."""
        return [Image(encoded=self._jpegs[n % _PHOTOS] + self._mark()) for n in range(count)]

    def pixels(self, count: int) -> list[Image]:
        """Pixels of the size that the bundled encoder takes; the first ones are other ones each time."""
        side = _INPUT_PX
        rgb = (self._mark() + self._pixels[n % _PHOTOS][8:] for n in range(count))
        return [Image(pixels=Pixels(height_px=side, width_px=side, rgb=one)) for one in rgb]

    def _mark(self) -> bytes:
        self._made += 1
        return self._made.to_bytes(8, "big")


class Turn:
    """What an image took of the server, and how long its caller waited, by way."""

    def __init__(self) -> None:
        self.cpu_ms: dict[str, list[float]] = {"without": [], "miss": [], "hit": []}
        self.wait_ms: dict[str, list[float]] = {"without": [], "miss": [], "hit": []}

    async def one(
        self, way: str, service: ServiceProcess, client: EmbedderClient, images: list[Image]
    ) -> None:
        """Sends the images over one stream, and notes what one of them took."""
        before_s = service.cpu_s()
        results = await asyncio.gather(*(client.embed(image) for image in images))
        self.cpu_ms[way].append(1000 * service.cpu_s_since(before_s) / len(images))
        if not all(result.HasField("value") for result in results):
            raise RuntimeError("an image was not embedded")

    async def alone(self, way: str, client: EmbedderClient, images: list[Image]) -> None:
        """Sends the images one after the other, and notes how long each took."""
        for image in images:
            start_s = time.monotonic()
            await client.embed(image)
            self.wait_ms[way].append(1000 * (time.monotonic() - start_s))

    def report(self) -> dict[str, Any]:
        """Medians, and the ratios that matter."""
        cpu = {way: median(found) for way, found in self.cpu_ms.items()}
        wait = {way: median(found) for way, found in self.wait_ms.items()}
        return {
            "hit_to_without": round(cpu["hit"] / cpu["without"], 3),
            "miss_to_without": round(cpu["miss"] / cpu["without"], 3),
            "server_cpu_ms_per_image": {way: round(one, 3) for way, one in cpu.items()},
            "server_cpu_ms_of_each_turn": {
                way: [round(one, 3) for one in found] for way, found in self.cpu_ms.items()
            },
            "wait_ms_of_one_image_alone": {way: round(one, 2) for way, one in wait.items()},
        }


async def measure(count: int, repeats: int) -> dict[str, Any]:
    """The medians of all ways, in turns, for pixels and for JPEGs; a first turn is not counted."""
    new = NewImages()
    kinds = {"pixels": new.pixels, "jpeg": new.encoded}
    turns = {kind: Turn() for kind in kinds}
    cached = {"cache_bytes": str(_CACHE_BYTES)}
    async with (
        service_process("embedder") as plain,
        service_process("embedder", cached) as caching,
        EmbedderClient(plain.address) as plain_client,
        EmbedderClient(caching.address) as caching_client,
    ):
        async with asyncio.timeout(_READY_S):
            await plain_client.channel.channel_ready()
            await caching_client.channel.channel_ready()
        for number in range(repeats + 1):
            for kind, make in kinds.items():
                turn = turns[kind] if number else Turn()
                images, few = make(count), make(8)
                await turn.one("without", plain, plain_client, images)
                await turn.one("miss", caching, caching_client, images)
                await turn.one("hit", caching, caching_client, images * _HIT_ROUNDS)
                await turn.alone("without", plain_client, few)
                await turn.alone("miss", caching_client, few)
                await turn.alone("hit", caching_client, few)
    return {kind: turn.report() for kind, turn in turns.items()}


def _jpeg(photo: PillowImage.Image) -> bytes:
    scale = _LONG_SIDE_PX / max(photo.size)
    size = round(photo.width * scale), round(photo.height * scale)
    encoded = io.BytesIO()
    photo.resize(size).save(encoded, "JPEG", quality=88)
    return encoded.getvalue()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=128, help="images in a turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    options = parser.parse_args()
    if min(options.count, options.repeats) < 1:
        parser.error("at least one image and one turn are needed")
    measured = asyncio.run(measure(options.count, options.repeats))
    machine = machine_facts("onnxruntime", "openvino", "grpcio", "numpy", "pillow")
    print(json.dumps({**measured, "machine": machine}, indent=2))
    for kind, found in measured.items():
        print(
            f"{kind}: a hit costs the server {found['hit_to_without']} of an image without a cache, "
            f"a miss {found['miss_to_without']}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
