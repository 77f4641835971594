from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings

from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.servicekit.errors import ItemRejected
from services.servicekit.image import DecodeLimits
from services.servicekit.rejection import RejectionCode
from services.servicekit.resize import InputShape
from tests.hostile.image_mutations import SEEDS, mutated_images, places_of_lengths

_LIMITS = DecodeLimits(max_pixels=2_000_000)
_WALL_S = 10.0
_MEMORY_BYTES = 300_000_000


@dataclass
class Bench:
    """A decoder with one worker that lives through all examples.

    Attributes:
        pid: The worker's process id.
        ends: How the examples ended.
        slowest_s: How long the slowest took, seconds.
    """

    runner: asyncio.Runner
    decoder: Decoder
    pid: int
    ends: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def end(self, content: bytes) -> str:
        """The outcome's reason, or FETCHED."""
        began = time.monotonic()
        end = "FETCHED"
        try:
            candidate = self.runner.run(self.decoder.decode(content))
        except ItemRejected as rejected:
            end = _reason(rejected)
        else:
            assert 1 <= candidate.width_px * candidate.height_px <= _LIMITS.max_pixels
            assert candidate.inputs["embedder"].shape == (16, 16, 3)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.ends[end] += 1
        return end

    def largest_bytes(self) -> int:
        """The worker's largest resident size so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024


def _reason(rejected: ItemRejected) -> str:
    """The reason's word, which is one of an outcome's, with a sentence."""
    assert rejected.reason
    assert "\n" not in rejected.reason
    failure = FetchFailed.from_rejection(rejected, final_url="")
    assert failure.reason.value == rejected.code.value
    return failure.reason.value


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A fresh decoder."""
    decoder = Decoder(
        shapes={"embedder": InputShape(16, 16)},
        limits=_LIMITS,
        worker_limits=WorkerLimits(workers=1, wall_s=_WALL_S),
    )
    with asyncio.Runner() as runner:
        runner.run(decoder.__aenter__())
        yield Bench(runner, decoder, decoder.worker_pids[0])
        runner.run(decoder.__aexit__(None, None, None))


def test_the_seeds_are_images(bench: Bench) -> None:
    """What is mutated is valid: all of it decodes."""
    assert {name: bench.end(seed) for name, seed in SEEDS.items()} == dict.fromkeys(
        SEEDS, "FETCHED"
    )


@pytest.mark.parametrize(("name", "count"), [("PNG with text", 4), ("animated WebP", 4)])
def test_the_places_of_lengths_are_found(name: str, count: int) -> None:
    """There are as many as there are chunks, and each is one."""
    places = places_of_lengths(name)
    assert len(places) >= count
    order = ">I" if name.startswith("PNG") else "<I"
    lengths = [struct.unpack(order, SEEDS[name][at : at + 4])[0] for at in places]
    assert all(length < len(SEEDS[name]) for length in lengths)


def _mutate(bench: Bench, examples: int) -> None:
    before = psutil.Process(bench.pid).memory_info().rss

    @settings(max_examples=examples)
    @given(mutated_images())
    def check(content: bytes) -> None:
        end = bench.end(content)
        # The worker calls every error that it does not know a crash.
        assert end != RejectionCode.DECODER_CRASHED.value
        assert end == "FETCHED" or end in OutcomeReason.__members__
        assert bench.decoder.worker_pids == [bench.pid]

    check()
    assert bench.slowest_s < _WALL_S
    assert bench.largest_bytes() - before < _MEMORY_BYTES
    # The mutations reach more than the first check of a header.
    assert len(bench.ends) >= 4
    assert bench.ends["FETCHED"] >= examples / 50
    assert bench.ends["UNSUPPORTED_FORMAT"] < 2 * examples / 3


def test_a_mutated_image_is_an_image_or_a_reason(bench: Bench) -> None:
    """300 of them: in time, in little memory, one of the known reasons, and the worker lives on."""
    _mutate(bench, 300)


@pytest.mark.long
def test_many_mutated_images(bench: Bench) -> None:
    """The same for 5,000."""
    _mutate(bench, 5_000)
