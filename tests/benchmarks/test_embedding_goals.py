from __future__ import annotations

import pytest

from benchmarks.embedding.choice import choices, label
from benchmarks.embedding.encoders import LITE0, NAMES, VIT
from benchmarks.embedding.goals import aims_beside_peer, aims_of, goals_of, has_amx, unmeasured
from benchmarks.embedding.ways import JPEGS, ONE_BY_ONE, PEER, STREAM, UNARY
from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import BackendName, BackendOptions

CPU_FP32 = BackendOptions(BackendName.ONNXRUNTIME, Precision.FP32)
CPU_BF16 = BackendOptions(BackendName.OPENVINO, Precision.BF16)
CUDA_FP32 = BackendOptions(BackendName.CUDA, Precision.FP32)
CUDA_FP16 = BackendOptions(BackendName.CUDA, Precision.FP16)


@pytest.mark.parametrize(
    ("backend", "precisions", "has_cuda", "expected"),
    [
        ("auto", (), False, [CPU_FP32, CPU_BF16]),
        ("auto", (), True, [CPU_FP32, CPU_BF16, CUDA_FP32, CUDA_FP16]),
        ("auto", ["FP32"], False, [CPU_FP32]),
        ("auto", ["FP32"], True, [CPU_FP32, CUDA_FP32]),
        ("auto", ["FP16"], True, [CUDA_FP16]),
        ("auto", ["FP16"], False, []),
        ("cuda", (), False, [CUDA_FP32, CUDA_FP16]),
        ("onnxruntime", (), True, [CPU_FP32]),
        ("openvino", ["BF16"], True, [CPU_BF16]),
        ("onnxruntime", ["BF16"], True, []),
    ],
)
def test_a_gpu_is_measured_beside_the_cpu(backend, precisions, has_cuda, expected):
    """In fp32 and fp16, where ONNX Runtime has CUDA or it was asked for by name."""
    wanted = [Precision(one) for one in precisions]
    assert choices(BackendName(backend), wanted, has_cuda=has_cuda) == expected


def test_what_computes_is_named_in_the_report():
    """Backend and precision: fp32 alone would be two different things with a GPU."""
    assert [label(one) for one in (CPU_BF16, CUDA_FP16)] == ["openvino bf16", "cuda fp16"]


def _measured(
    *, ratio=0.96, p99_ms=100.0, over_p99=10, grown=0.5, right=5, wrong=0, broken=0, p99s=(), rates=()
):  # fmt: skip
    over_raw = {"by_the_clock": ratio, "over_one": ratio > 1}
    return {
        "ratios": dict.fromkeys((STREAM, JPEGS, UNARY), over_raw),
        "stream_of_pixels_over_one_by_one": {"by_the_clock": 2.0},
        "images_per_s": dict(zip((UNARY, PEER), ({"per_wall_s": one} for one in rates), strict=False)),
        "latency": {
            "delay_ms": 2.0,
            "at_50_percent": {
                "p99_ms": p99_ms,
                "ridden_batch_ms": 40.0,
                "over_p99": over_p99,
                "ideal": {"p99_ms": 82.0, "ridden_batch_ms": 40.0},
            },
        },
        "latency_beside_peer": dict(
            zip(("service", PEER), ({"p99_ms": one, "over_p99": 10} for one in p99s), strict=False)
        ),
        "memory": {"mb_per_min": grown},
        "many_streams": {
            "grown_mb": 100.0,
            "right_answers": right,
            "wrong_answers": wrong,
            "broken_streams": broken,
        },
    }  # fmt: skip


def _missed(goals):
    return [goal.name.partition(": ")[2] for goal in goals if goal.is_missed]


def _goals(encoder, options, **values):
    return goals_of("name", aims_of(encoder, options), _measured(**values))


@pytest.mark.parametrize(
    ("encoder", "options", "ratio", "missed"),
    [
        (VIT, CPU_FP32, 0.95, []),
        (VIT, CPU_FP32, 0.94, [STREAM]),
        (VIT, CPU_FP32, 0.84, [STREAM, UNARY]),
        (VIT, CPU_FP32, 0.79, [STREAM, JPEGS, UNARY]),
        (LITE0, CPU_FP32, 0.85, []),
        (LITE0, CPU_BF16, 0.84, [STREAM, UNARY]),
        (VIT, CUDA_FP16, 0.80, []),
        (LITE0, CUDA_FP32, 0.79, [STREAM]),
    ],
)
def test_each_way_has_a_goal_of_its_own(encoder, options, ratio, missed):
    """Those of JPEGs are of ViT-B/32 alone: decoding takes longer than Lite0 does; a GPU has that of pixels."""
    names = [name for name in _missed(_goals(encoder, options, ratio=ratio)) if "raw" in name]
    assert names == [f"{way} over raw" for way in missed]


@pytest.mark.parametrize(
    ("values", "missed"),
    [
        ({"p99_ms": 102.0}, []),
        ({"p99_ms": 102.1}, ["p99 at 50 % less the delay, over its batch's time"]),
        ({"grown": 1.0}, ["memory, MB a minute"]),
        ({"wrong": 1}, ["wrong answers and broken streams of 256"]),
        ({"broken": 1}, ["wrong answers and broken streams of 256"]),
        ({"right": 0}, ["right answers to 256 streams"]),
    ],
)
def test_a_value_beyond_its_goal_misses_it(values, missed):
    """And no other."""
    assert _missed(_goals(VIT, CPU_FP32, **values)) == missed


@pytest.mark.parametrize(
    ("values", "missed"),
    [
        ({"p99s": (2.0, 2.0), "rates": (3.0, 3.0)}, ["unary images/s over the peer's", "p99 over the peer's"]),
        ({"p99s": (1.9, 2.0), "rates": (3.1, 3.0)}, []),
    ],
)  # fmt: skip
def test_as_good_as_the_peer_is_not_ahead_of_it(values, missed):
    """In both."""
    assert _missed(goals_of("name", aims_beside_peer(), _measured(**values))) == missed


def test_what_must_be_known_to_read_a_value_stands_beside_it():
    """A service that is faster than its network, and a p99 of few."""
    notes = {goal.name: goal.note for goal in _goals(VIT, CPU_FP32, ratio=1.01, over_p99=9)}
    assert "noise" in notes[f"name: {STREAM} over raw"]
    p99 = "name: p99 at 50 % less the delay, over its batch's time"
    assert notes[p99] == "a server without overhead: 2.00; only 9 waited longer"
    notes = {goal.name: goal.note for goal in _goals(VIT, CPU_FP32)}
    assert notes.pop(p99) == "a server without overhead: 2.00"
    assert not any(note for name, note in notes.items() if ONE_BY_ONE not in name)


def test_the_goal_of_amx_is_none_elsewhere():
    """It is told in any case, and counts where the CPU has it, in bf16, for ViT-B/32."""
    for encoder in NAMES:
        for options in (CPU_FP32, CPU_BF16):
            *_, goal = _goals(encoder, options)
            assert goal.measured == 2.0
            assert goal.must is (has_amx() and (encoder, options) == (VIT, CPU_BF16))


def test_goals_that_nothing_was_measured_for_say_why():
    """They are not missed; in JSON they have no value."""
    goals = unmeasured("name", aims_of(VIT, CPU_FP32), "needs torch")
    assert {f"name: {way} over raw" for way in (STREAM, JPEGS, UNARY)} <= {
        one.name for one in goals
    }
    assert not _missed(goals)
    assert all(str(goal).endswith("not measured: needs torch") for goal in goals)
    assert goals[0].to_json() | {"name": ""} == {
        "name": "", "goal": ">= 0.95", "measured": None, "interval": None, "met": None, "must": True,
        "note": "needs torch",
    }  # fmt: skip
