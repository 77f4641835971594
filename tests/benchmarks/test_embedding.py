from __future__ import annotations

import asyncio
import json
import os
import time

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.embedding import encoders
from benchmarks.embedding.combination import Combination, _over_raw
from benchmarks.embedding.encoders import LITE0, VIT, EncoderAbsent, find_encoder
from benchmarks.embedding.ideal_server import IdealServer
from benchmarks.embedding.images import Images, images_for
from benchmarks.embedding.latency import lasting_s, latency_facts
from benchmarks.embedding.load import closed_loop, open_loop, percentile, poisson_arrivals
from benchmarks.embedding.many_streams import measure_streams
from benchmarks.embedding.memory import MemoryWatch, growth_mb_per_min, memory_facts
from benchmarks.embedding.metrics_page import Batches, parse_batches, ridden_seconds
from benchmarks.embedding.plan import Plan
from benchmarks.embedding.rates import Rates
from benchmarks.embedding.raw import RawNetwork, RawWay
from benchmarks.embedding.served import Refused, served_embedder
from benchmarks.embedding.turns import Turns
from benchmarks.embedding.ways import JPEGS, ONE_BY_ONE, RAW, STREAM, UNARY
from benchmarks.embedding.whole import Whole
from benchmarks.serving.machine import machine_facts
from benchmarks.serving.process_tree import tree_cpu_s
from benchmarks.serving.service_process import ServiceEnded
from lodestone.image.v1.image_pb2 import Image
from services.servicekit.batch_metrics import BatchMetrics
from services.servicekit.embedding import Precision
from services.servicekit.encoder_folder import load_encoder_folder
from services.servicekit.inference.backend import BackendName, BackendOptions


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


def test_a_server_without_overhead_computes_what_waits():
    """One by one while callers come singly; what comes during a batch rides in the next, the first after a delay."""
    server = IdealServer({1: 1.0, 2: 1.5, 4: 2.5}, delay_s=0.25)

    # From 0.25 to 1.25; three together, in a batch between those of two and four; five in two batches.
    latencies_s, ridden_s = server.wait([0.0, 0.5, 0.75, 1.0, 10.0, 10.0, 10.25, 10.25, 10.25])

    assert latencies_s == [1.25, 2.75, 2.5, 2.25, 2.75, 2.75, 2.5, 2.5, 3.5]
    assert ridden_s == pytest.approx((1.0 + 3 * 2.0 + 4 * 2.5 + 1.0) / 9)


def test_two_instances_share_what_waits():
    """Three that wait for both are computed as two and one; whoever comes meanwhile waits for the first to be free."""
    server = IdealServer({1: 1.0, 2: 2.0, 4: 4.0}, delay_s=0.0, instances=2)

    latencies_s, ridden_s = server.wait([0.0, 0.0, 0.0, 0.5, 9.0])

    assert latencies_s == [2.0, 2.0, 1.0, 1.5, 1.0]
    assert ridden_s == pytest.approx((2 * 2.0 + 3 * 1.0) / 5)


def test_callers_at_random_wait_over_four_times_at_half_load():
    """As in queueing theory: with a constant time an image, p99 of an M/D/1 queue is 4.3 of them at half load."""
    arrivals_s = poisson_arrivals(0.5, 100_000.0, seed=1)
    latencies_s, ridden_s = IdealServer({1: 1.0}, delay_s=0.0).wait(arrivals_s)
    assert ridden_s == 1.0
    assert percentile(latencies_s, 99) == pytest.approx(4.3, abs=0.3)
    both = IdealServer({1: 2.0}, delay_s=0.0, instances=2).wait(arrivals_s)[0]
    assert percentile(both, 99) / 2.0 == pytest.approx(2.6, abs=0.3)


def test_the_sizes_within_a_range_are_such_that_there_were_so_many_images():
    """Three images are counted among those of up to four, and take a time between those of two and four."""
    seconds = {1: 1.0, 2: 2.0, 4: 4.0}
    threes = Batches(count=4, images=8, seconds=8.0, by_size={1.0: 2.0, 4.0: 2.0})
    assert ridden_seconds(threes, seconds) == pytest.approx((2 * 1 + 6 * 3) / 8)
    largest = Batches(count=1, images=8, seconds=4.0, by_size={8.0: 1.0})
    assert ridden_seconds(largest, seconds) == pytest.approx(4.0)


async def test_one_lucky_run_makes_no_best_batch(monkeypatch, images):
    """The median of five rounds or more counts, after one that warms up."""
    took_s = {
        RawWay(1, 1): iter([9.0, *[1.0] * 60]),
        RawWay(1, 2): iter([9.0, 0.1, *[3.0] * 60]),
        RawWay(2, 1): iter([9.0, *[1.9] * 60]),
        RawWay(2, 2): iter([9.0, 0.1, *[4.1] * 60]),
    }
    monkeypatch.setattr(RawNetwork, "_timed", lambda self, way: next(took_s[way]))

    folder = load_encoder_folder(find_encoder(LITE0))
    raw = RawNetwork(folder, BackendOptions(threads=2), images.inputs, sizes=[1, 2])

    assert raw.served_seconds == {1: 1.9, 2: 4.1}
    assert raw.best == RawWay(2, 1)
    assert raw.per_s == pytest.approx(2 / 1.9)
    assert raw.facts()["timed_runs"] >= 5


def test_rates_are_the_medians_of_the_turns():
    """By the clock and by CPU time, each by itself."""
    turns = [Rates(1.0, 9.0), Rates(5.0, 1.0), Rates(2.0, 2.0)]
    middle = Rates.middle(turns)
    assert middle == Rates(2.0, 2.0)
    assert middle.over(Rates(4.0, 1.0)) == {"by_the_clock": 0.5, "by_cpu_time": 2.0}
    assert Rates.of(10, 2.0, 4.0) == Rates(5.0, 2.5)


def test_a_ratio_over_one_is_marked():
    """By the clock: nothing is faster than the network itself."""
    assert _over_raw(Rates(11.0, 1.0), Rates(10.0, 2.0)) == {
        "by_the_clock": 1.1, "by_cpu_time": 0.5, "over_one": True
    }  # fmt: skip
    assert not _over_raw(Rates(10.0, 3.0), Rates(10.0, 2.0))["over_one"]


async def test_an_encoder_that_is_not_there_keeps_its_goals_in_the_report(monkeypatch, tmp_path):
    """Those of each precision, and beside the peer in fp32; nothing measured is nothing met."""
    monkeypatch.setattr(encoders, "_RANDOM_VIT", tmp_path / "none")
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: None)
    whole = Whole(Plan(), with_peer=True)

    await whole.measure(
        VIT, [BackendOptions(), BackendOptions(BackendName.OPENVINO, Precision.BF16)]
    )

    assert not whole.is_met
    report = whole.report()
    assert set(report["left_out"]) == {f"{VIT} onnxruntime fp32", f"{VIT} openvino bf16"}
    assert all("needs torch" in goal["note"] for goal in report["goals"])
    beside = [goal["name"] for goal in report["goals"] if "peer" in goal["name"]]
    assert len(beside) == 2
    assert all("fp32" in name for name in beside)


async def test_what_breaks_off_loses_nothing_that_was_measured(monkeypatch):
    """The report has both, and the exit status will be 1."""
    found = {
        "ratios": {way: {"by_the_clock": 0.9, "over_one": False} for way in (STREAM, UNARY)},
        "stream_of_pixels_over_one_by_one": {"by_the_clock": 2.0},
        "latency": {
            "delay_ms": 2.0,
            "at_50_percent": {
                "p99_ms": 9.0,
                "ridden_batch_ms": 4.0,
                "over_p99": 10,
                "ideal": {"p99_ms": 8.0, "ridden_batch_ms": 4.0},
            },
        },
        "memory": {"mb_per_min": 0.0},
        "many_streams": {
            "grown_mb": 1.0,
            "right_answers": 1,
            "wrong_answers": 0,
            "broken_streams": 0,
        },
    }

    async def measure(combination):
        if combination.options.precision is Precision.BF16:
            raise RuntimeError("the service has ended")
        return dict(found)

    monkeypatch.setattr(Combination, "measure", measure)
    whole = Whole(Plan(), with_peer=False)

    await whole.measure(LITE0, [BackendOptions()])
    assert whole.is_met
    await whole.measure(LITE0, [BackendOptions(BackendName.OPENVINO, Precision.BF16)])
    assert not whole.is_met

    report = whole.report()
    assert "a server without overhead: 1.50" in [goal["note"] for goal in report["goals"]]
    assert set(report["measured"]) == {f"{LITE0} onnxruntime fp32"}
    assert "the service has ended" in report["left_out"][f"{LITE0} openvino bf16"]
    assert {one["met"] for one in report["goals"] if "bf16" in one["name"]} == {None}


def test_a_load_lasts_until_ten_wait_longer_than_p99_but_not_for_ever():
    """Three times as long as it was asked to at most."""
    assert lasting_s(100.0, 60.0) == 60.0
    assert lasting_s(10.0, 60.0) == 110.0
    assert lasting_s(1.0, 60.0) == 180.0
    assert latency_facts([float(one) for one in range(1_000)], 1.0)["over_p99"] == 10
    assert latency_facts([1.0], 1.0)["over_p99"] == 0


def test_a_package_that_is_not_installed_has_no_version():
    """The report is written without it."""
    assert machine_facts("no-such-package")["no-such-package"] is None


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
