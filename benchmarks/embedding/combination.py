"""One encoder in one precision, from its raw network to 256 streams."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.embedding.choice import label
from benchmarks.embedding.ideal_server import IdealServer
from benchmarks.embedding.images import Images, images_for
from benchmarks.embedding.latency import (
    GOAL_PERCENT,
    LOADS_PERCENT,
    lasting_s,
    measure_latency,
    measure_with_batches,
)
from benchmarks.embedding.many_streams import measure_streams
from benchmarks.embedding.memory import MemoryWatch, memory_facts
from benchmarks.embedding.plan import Plan
from benchmarks.embedding.rates import Rates
from benchmarks.embedding.raw import RawNetwork
from benchmarks.embedding.served import IN_FLIGHT, ServedEmbedder, served_embedder
from benchmarks.embedding.triton import TritonPeer
from benchmarks.embedding.turns import Turns
from benchmarks.embedding.ways import ONE_BY_ONE, PEER, RAW, STREAM, UNARY
from services.embedder.config import EmbedderSettings
from services.servicekit.embedding import Precision
from services.servicekit.encoder_folder import EncoderFolder
from services.servicekit.inference.backend import BackendName, BackendOptions
from services.servicekit.inference.buckets import Buckets

# Allocators fill their pools meanwhile.
_WARM_UP_S: Final = 60.0
# What the seed's filter server did.
_ONE_BY_ONE: Final = BackendOptions(BackendName.ONNXRUNTIME, Precision.FP32)


@dataclass(frozen=True, slots=True)
class Combination:
    """What is measured together, in one run.

    Attributes:
        folder: The encoder's.
        options: What computes it.
        plan: How long.
        peer: A served peer of the same network in the same precision, or None.
    """

    folder: EncoderFolder
    options: BackendOptions
    plan: Plan
    peer: TritonPeer | None

    async def measure(self) -> dict[str, Any]:
        """Everything, with the service's process beside this one."""
        images = images_for(self.folder.input_shape)
        raw = RawNetwork(self.folder, self.options, images.inputs)
        one_by_one = RawNetwork(self.folder, _ONE_BY_ONE, images.inputs, sizes=[1], instances=[1])
        self._tell(
            f"the raw network is fastest with {raw.best.instances} batches of {raw.best.batch} at once"
        )
        async with served_embedder(self.folder.path, self.options, self.plan.streams) as served:
            turns = Turns(images, raw, one_by_one, served, self.peer)
            await turns.run_images(IN_FLIGHT)
            with MemoryWatch(served.process.rss_bytes) as memory:
                found = await self._in_turns(turns)
                self._tell("watching the memory")
                while memory.seconds < self.plan.memory_s:
                    await turns.stream(self.plan.turn_s)
            self._tell("opening many streams")
            many = await measure_streams(
                served.process, images.pixels, raw.embed(), self.plan.many_streams_s
            )
            facts = {"network": raw.facts(), "service": await served.facts()}
        return {
            **facts,
            **found,
            "memory": memory_facts(memory.samples, _WARM_UP_S),
            "many_streams": many,
        }

    async def _in_turns(self, turns: Turns) -> dict[str, Any]:
        rates: dict[str, list[Rates]] = {}
        for number in range(self.plan.turns):
            self._tell(f"turn {number + 1} of {self.plan.turns}")
            for way, one in (await turns.run(self.plan.turn_s)).items():
                rates.setdefault(way, []).append(one)
        middle = {way: Rates.middle(some) for way, some in rates.items()}
        return {
            "ratios": {
                way: _over_raw(one, middle[RAW]) for way, one in middle.items() if way != RAW
            },
            "stream_of_pixels_over_one_by_one": middle[STREAM].over(middle[ONE_BY_ONE]),
            "images_per_s": {way: one.to_json() for way, one in middle.items()},
            "turns": {way: [one.to_json() for one in some] for way, some in rates.items()},
            "latency": await self._latency(turns, middle[UNARY].per_wall_s),
            "latency_beside_peer": await self._latency_beside_peer(
                turns.served, turns.images, middle
            ),
        }

    async def _latency(self, turns: Turns, capacity_per_s: float) -> dict[str, Any]:
        delay_s = EmbedderSettings().max_delay_s
        found: dict[str, Any] = {"delay_ms": 1e3 * delay_s}
        for percent in LOADS_PERCENT:
            self._tell(f"callers at {percent} % of {capacity_per_s:.1f} images a second")
            rate_per_s, seconds = capacity_per_s * percent / 100, self.plan.latency_s
            if percent == GOAL_PERCENT:
                seconds = lasting_s(rate_per_s, seconds)
            found[f"at_{percent}_percent"] = await turns.served.while_running(
                measure_with_batches(
                    turns.served.unary_call(turns.images.pixels),
                    turns.served.process.metrics,
                    rate_per_s,
                    seconds,
                    IdealServer(
                        Buckets(turns.raw.served_seconds).paying().seconds,
                        delay_s,
                        turns.raw.served_instances,
                    ),
                )
            )
        return found

    async def _latency_beside_peer(
        self, served: ServedEmbedder, images: Images, middle: dict[str, Rates]
    ) -> dict[str, Any] | None:
        """Both at the same rate: half of what the slower one can."""
        if self.peer is None:
            return None
        rate_per_s = min(middle[UNARY].per_wall_s, middle[PEER].per_wall_s) / 2
        seconds = lasting_s(rate_per_s, self.plan.latency_s)
        self._tell(f"callers at {rate_per_s:.1f} images a second, here and at the peer")
        service = await measure_latency(served.unary_call(images.pixels), rate_per_s, seconds)
        return {"service": service, PEER: await self.peer.open_loop(rate_per_s, seconds)}

    def _tell(self, words: str) -> None:
        print(f"{self.folder.name} {label(self.options)}: {words}", file=sys.stderr)


def _over_raw(rates: Rates, raw: Rates) -> dict[str, Any]:
    """The ratios; nothing is truly faster than the network itself, so one over 1 is noise or a bad batch of raw's."""
    ratios = rates.over(raw)
    return {**ratios, "over_one": ratios["by_the_clock"] > 1}
