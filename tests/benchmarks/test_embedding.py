from __future__ import annotations

import asyncio
import json
import os
import time

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.embedding import encoders
from benchmarks.embedding.encoders import LITE0, NAMES, VIT, EncoderAbsent, find_encoder
from benchmarks.embedding.goals import goals_of, has_amx
from benchmarks.embedding.images import Images, images_for
from benchmarks.embedding.latency import latency_facts
from benchmarks.embedding.load import closed_loop, open_loop, percentile, poisson_arrivals
from benchmarks.embedding.many_streams import measure_streams
from benchmarks.embedding.memory import MemoryWatch, growth_mb_per_min, memory_facts
from benchmarks.embedding.metrics_page import Batches, parse_batches, ridden_seconds
from benchmarks.embedding.rates import Rates
from benchmarks.embedding.raw import RawNetwork
from benchmarks.embedding.served import Refused, served_embedder
from benchmarks.embedding.turns import Turns
from benchmarks.embedding.ways import JPEGS, ONE_BY_ONE, RAW, STREAM, UNARY
from benchmarks.serving.process_tree import tree_cpu_s
from benchmarks.serving.service_process import ServiceEnded
from lodestone.image.v1.image_pb2 import Image
from services.servicekit.batch_metrics import BatchMetrics
from services.servicekit.encoder_folder import load_encoder_folder
from services.servicekit.inference.backend import BackendOptions


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 2.0), (51, 3.0), (75, 3.0), (99, 4.0), (100, 4.0), (1, 1.0)]
)
def test_a_percentile_is_one_of_the_values(percent, expected):
    """The smallest that so many per cent do not pass."""
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


def test_arrivals_are_as_many_as_the_rate_says_and_come_at_random():
    """Poisson: the count's variance is its mean, gaps have no memory; the same seed gives the same times."""
    arrivals_s = poisson_arrivals(50.0, 200.0, 1)
    assert arrivals_s == poisson_arrivals(50.0, 200.0, 1) != poisson_arrivals(50.0, 200.0, 2)
    assert arrivals_s == sorted(arrivals_s)
    assert arrivals_s[0] > 0
    assert arrivals_s[-1] < 200
    assert len(arrivals_s) == pytest.approx(10_000, rel=0.04)
    counts = np.histogram(arrivals_s, bins=200, range=(0, 200))[0]
    assert counts.var() == pytest.approx(counts.mean(), rel=0.3)
    gaps_s = np.diff(arrivals_s)
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.05)


def test_there_is_always_one_arrival():
    """Else a short look at a slow network would have no latency at all."""
    assert len(poisson_arrivals(0.01, 0.1, 0)) == 1


async def test_a_closed_loop_asks_for_everything_once_and_no_more_than_so_many_at_a_time():
    """Calls 0 to count."""
    asked, running, most = [], 0, 0

    async def call(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        asked.append(number)
        running -= 1

    seconds = await closed_loop(call, 20, 3)

    assert sorted(asked) == list(range(20))
    assert most == 3
    assert seconds > 0


async def test_an_open_loop_does_not_wait_for_answers():
    """All are asked while none is answered; a latency counts from the planned time on."""
    asked, answer = [], asyncio.Event()

    async def call(number):
        asked.append(number)
        if len(asked) == 3:
            answer.set()
        await answer.wait()

    latencies_s = await open_loop(call, [0.0, 0.02, 0.04])

    assert asked == [0, 1, 2]
    assert latencies_s[0] >= 0.04
    assert latencies_s[1] >= 0.02
    assert latency_facts(latencies_s, 50.0)["arrivals"] == 3


async def test_an_open_loop_that_is_late_counts_what_it_is_late_by():
    """The second call was planned while the first one held the loop."""

    async def call(number):
        if number == 0:
            time.sleep(0.05)  # noqa: ASYNC251 - that is the point

    latencies_s = await open_loop(call, [0.0, 0.0])

    assert latencies_s[1] >= 0.05


def test_memory_that_grows_evenly_grows_so_fast():
    """A megabyte in ten seconds is six a minute; a steady one does not grow."""
    samples = [(float(second), 100_000_000 + second * 100_000) for second in range(60)]
    assert growth_mb_per_min(samples) == pytest.approx(6.0)
    assert json.loads(json.dumps(growth_mb_per_min(samples) < 7))
    assert growth_mb_per_min([(0.0, 5), (1.0, 5)]) == pytest.approx(0.0)
    assert growth_mb_per_min(samples[:1]) == 0.0
    assert memory_facts(samples) == {
        "mb_per_min": 6.0, "seconds": 59, "first_mb": 100.0, "last_mb": 105.9, "most_mb": 105.9
    }  # fmt: skip


def test_memory_is_looked_at_while_the_caller_is_busy():
    """In a thread of its own, and at least once."""
    looks = iter(range(1_000_000))
    with MemoryWatch(lambda: next(looks), every_s=0.001) as memory:
        while len(memory.samples) < 3:
            time.sleep(0.001)
    assert [size for _, size in memory.samples[:3]] == [0, 1, 2]


def test_the_batches_of_a_page_are_those_that_were_counted():
    """From the metrics that the service itself counts with."""
    registry = CollectorRegistry()
    metrics = BatchMetrics("embedder", registry)
    metrics.computed(1, 0.1)
    before = parse_batches(generate_latest(registry).decode())
    for size, seconds in ((1, 0.1), (2, 0.2), (3, 0.3), (32, 1.4)):
        metrics.computed(size, seconds)

    batches = parse_batches(generate_latest(registry).decode()).since(before)

    assert batches.by_size == {1.0: 1.0, 2.0: 1.0, 4.0: 1.0, 32.0: 1.0}
    assert batches.seconds == pytest.approx(2.0)
    assert batches.to_json() | {"by_size": None} == {
        "batches": 4, "mean_batch": 9.5, "mean_batch_ms": 500.0, "by_size": None
    }  # fmt: skip


def test_an_image_rides_in_large_batches_more_often():
    """One batch of 4 and four of 1: half of the images are in the large one, whose time counts for them."""
    seconds = {1: 1.0, 2: 2.0, 4: 3.0}
    batches = Batches(count=5, images=8, seconds=7.0, by_size={1.0: 4.0, 4.0: 1.0})
    assert ridden_seconds(batches, seconds) == pytest.approx(2.0)
    slower = Batches(count=5, images=8, seconds=14.0, by_size=batches.by_size)
    assert ridden_seconds(slower, seconds) == pytest.approx(4.0)


def test_rates_are_the_medians_of_the_turns():
    """By the clock and by CPU time, each by itself."""
    turns = [Rates(1.0, 9.0), Rates(5.0, 1.0), Rates(2.0, 2.0)]
    middle = Rates.middle(turns)
    assert middle == Rates(2.0, 2.0)
    assert middle.over(Rates(4.0, 1.0)) == {"by_the_clock": 0.5, "by_cpu_time": 2.0}
    assert Rates.of(10, 2.0, 4.0) == Rates(5.0, 2.5)


def _measured(
    *, ratio=0.96, p99_ms=100.0, grown=0.5, right=5, wrong=0, broken=0, beside=None, rates=None
):
    return {
        "ratios": {way: {"by_the_clock": ratio} for way in (STREAM, JPEGS, UNARY)},
        "stream_of_pixels_over_one_by_one": {"by_the_clock": 2.0},
        "images_per_s": rates or {},
        "latency": {"delay_ms": 2.0, "at_50_percent": {"p99_ms": p99_ms, "ridden_batch_ms": 40.0}},
        "latency_beside_peer": beside,
        "memory": {"mb_per_min": grown},
        "many_streams": {
            "grown_mb": 100.0,
            "right_answers": right,
            "wrong_answers": wrong,
            "broken_streams": broken,
        },
    }


def _missed(goals):
    return [goal.name.partition(": ")[2] for goal in goals if goal.must and not goal.met]


@pytest.mark.parametrize(
    ("encoder", "ratio", "missed"),
    [
        (VIT, 0.95, []),
        (VIT, 0.94, [f"{STREAM} over raw"]),
        (VIT, 0.84, [f"{STREAM} over raw", f"{UNARY} over raw"]),
        (VIT, 0.79, [f"{STREAM} over raw", f"{JPEGS} over raw", f"{UNARY} over raw"]),
        (LITE0, 0.85, []),
        (LITE0, 0.84, [f"{STREAM} over raw", f"{UNARY} over raw"]),
    ],
)
def test_each_way_has_a_goal_of_its_own(encoder, ratio, missed):
    """Those of JPEGs are of ViT-B/32 alone: decoding takes longer than Lite0 does."""
    assert _missed(goals_of(encoder, "fp32", _measured(ratio=ratio))) == missed


@pytest.mark.parametrize(
    ("values", "missed"),
    [
        ({"p99_ms": 102.0}, []),
        ({"p99_ms": 102.1}, ["p99 at 50 % less the delay, over its batch's time"]),
        ({"grown": 1.0}, ["memory, MB a minute"]),
        ({"wrong": 1}, ["wrong answers and broken streams of 256"]),
        ({"broken": 1}, ["wrong answers and broken streams of 256"]),
        ({"right": 0}, ["wrong answers and broken streams of 256"]),
        (
            {"beside": {"service": {"p99_ms": 2.0}, "peer": {"p99_ms": 2.0}},
             "rates": {UNARY: {"per_wall_s": 3.0}, "peer": {"per_wall_s": 3.0}}},
            ["unary images/s over the peer's", "p99 over the peer's"],
        ),
        (
            {"beside": {"service": {"p99_ms": 1.9}, "peer": {"p99_ms": 2.0}},
             "rates": {UNARY: {"per_wall_s": 3.1}, "peer": {"per_wall_s": 3.0}}},
            [],
        ),
    ],
)  # fmt: skip
def test_a_value_beyond_its_goal_misses_it(values, missed):
    """And no other."""
    assert _missed(goals_of(VIT, "fp32", _measured(**values))) == missed


def test_the_goal_of_amx_is_none_elsewhere():
    """It is told in any case, and counts where the CPU has it, in bf16, for ViT-B/32."""
    for encoder in NAMES:
        for precision in ("fp32", "bf16"):
            *_, goal = goals_of(encoder, precision, _measured())
            assert goal.measured == 2.0
            assert goal.must is (has_amx() and (encoder, precision) == (VIT, "bf16"))


def test_without_torch_the_line_says_how_to_make_the_encoder(monkeypatch, tmp_path):
    """The benchmark goes on without it."""
    monkeypatch.setattr(encoders, "_RANDOM_VIT", tmp_path / "none")
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        EncoderAbsent, match="services.embedder.export clip-vit-b-32 --random-weights"
    ):
        find_encoder(VIT)


def test_the_time_of_a_process_tree_holds_its_own():
    """And that of a process that is not there is none."""
    assert tree_cpu_s(os.getpid()) > 0
    assert tree_cpu_s(-1) == 0


@pytest.fixture(scope="module")
def images():
    folder = load_encoder_folder(find_encoder(LITE0))
    drawn = images_for(folder.input_shape, count=4)
    # The parts take batches of up to 32.
    return Images(np.tile(drawn.inputs, (8, 1, 1, 1)), drawn.pixels, drawn.encoded)


async def test_every_way_is_measured_on_a_real_server(images):
    """Rates by the clock and by CPU time of each, and of 256 streams only right answers."""
    folder, options = load_encoder_folder(find_encoder(LITE0)), BackendOptions()
    raw = RawNetwork(folder, options, images.inputs, sizes=[1, 2])
    async with served_embedder(folder.path, options, streams=2) as served:
        rates = await Turns(images, raw, raw, served, None).run_images(8)
        many = await measure_streams(served.process, images.pixels, raw.embed()[:4], 3.0)
        facts = await served.facts()
        with pytest.raises(ExceptionGroup) as refused:
            await served.stream([Image(encoded=b"no image")], 1)

    assert set(rates) == {RAW, STREAM, JPEGS, UNARY, ONE_BY_ONE}
    assert all(min(one.per_wall_s, one.per_cpu_s) > 0 for one in rates.values())
    assert many["right_answers"] > 0
    assert many["wrong_answers"] == many["broken_streams"] == 0
    assert many["most_mb"] >= many["before_mb"] > 0
    assert facts["execution_provider"] == raw.facts()["execution_provider"]
    assert refused.group_contains(Refused)


async def test_a_service_that_does_not_start_says_why():
    """What it wrote is in the error."""
    folder = find_encoder(LITE0).with_name("no-such-encoder")
    with pytest.raises(ServiceEnded, match="no-such-encoder"):
        async with served_embedder(folder, BackendOptions(), streams=1):
            pytest.fail("it serves")
