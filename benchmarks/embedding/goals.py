"""The embedder's goals beside what was measured."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.embedding.encoders import LITE0, VIT
from benchmarks.embedding.latency import ENOUGH_OVER_P99, GOAL_PERCENT
from benchmarks.embedding.ways import JPEGS, ONE_BY_ONE, PEER, STREAM, UNARY
from benchmarks.serving.goal import Goal
from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import BackendName, BackendOptions

_OVER_RAW: Final = {
    VIT: {STREAM: 0.95, JPEGS: 0.80, UNARY: 0.85},
    LITE0: {STREAM: 0.85, UNARY: 0.85},
}
# One process feeds a GPU: decoding has the same few cores as ever.
_OVER_RAW_ON_CUDA: Final = {STREAM: 0.8}
_BATCHES_WAITED: Final = 2.5
_MB_PER_MIN: Final = 1.0
# What the limit of the container leaves beside the process itself (deploy/k8s/base/embedder.yaml).
_GROWN_MB: Final = 512.0
_OVER_ONE_BY_ONE: Final = 5.0
_MEETS: Final = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq,
}  # fmt: skip

Measured = dict[str, Any]
"""What `Combination.measure` found."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A goal before anything was measured.

    Attributes:
        name: What is measured.
        sign: How the measured value lies to the limit: `>=`, `<=`, `>`, `<` or `==`.
        limit: The value that it is compared with.
        value: Finds the measured value.
        must: Whether it makes the exit status 1 if it is missed.
        note: Finds what must be known to read the value.
    """

    name: str
    sign: str
    limit: float
    value: Callable[[Measured], float]
    must: bool = True
    note: Callable[[Measured], str] = lambda _: ""

    @property
    def words(self) -> str:
        """`>= 0.95`."""
        return f"{self.sign} {self.limit:g}"


def aims_of(encoder: str, options: BackendOptions) -> list[Aim]:
    """The goals of one encoder, computed so, without those that compare with the peer."""
    on_cuda = options.backend is BackendName.CUDA
    over_raw = _OVER_RAW_ON_CUDA if on_cuda else _OVER_RAW[encoder]
    return [
        *(_over_raw(way, least) for way, least in over_raw.items()),
        Aim(
            f"p99 at {GOAL_PERCENT} % less the delay, over its batch's time",
            "<=", _BATCHES_WAITED, _batches_waited, note=_about_p99,
        ),
        Aim("memory, MB a minute", "<", _MB_PER_MIN, lambda one: one["memory"]["mb_per_min"]),
        Aim(
            "memory that 256 streams take, MB",
            "<", _GROWN_MB, lambda one: one["many_streams"]["grown_mb"],
        ),
        Aim("right answers to 256 streams", ">", 0, lambda one: one["many_streams"]["right_answers"]),
        Aim("wrong answers and broken streams of 256", "==", 0, _wrong),
        _over_one_by_one(encoder, options),
    ]  # fmt: skip


def aims_beside_peer() -> list[Aim]:
    """The goals that compare with the served peer."""
    return [
        Aim("unary images/s over the peer's", ">", 1, _ahead_of_peer),
        Aim("p99 over the peer's", "<", 1, _p99_over_peer, note=_few_over_p99_beside_peer),
    ]


def goals_of(name: str, aims: Sequence[Aim], measured: Measured) -> list[Goal]:
    """The goals beside what was measured; `name` says of what, `clip-vit-b-32 openvino bf16`."""
    return [_goal(name, aim, measured) for aim in aims]


def unmeasured(name: str, aims: Sequence[Aim], why: str) -> list[Goal]:
    """The goals that nothing was measured for; they are not missed, and stand in the report."""
    return [
        Goal(name=f"{name}: {aim.name}", goal=aim.words, measured=None, met=None, note=why)
        for aim in aims
        if aim.must
    ]


def has_amx() -> bool:
    """Whether this CPU multiplies tiles of bfloat16."""
    return "amx_bf16" in Path("/proc/cpuinfo").read_text()


def _goal(name: str, aim: Aim, measured: Measured) -> Goal:
    value = aim.value(measured)
    return Goal(
        name=f"{name}: {aim.name}", goal=aim.words, measured=value,
        met=bool(_MEETS[aim.sign](value, aim.limit)), must=aim.must, note=aim.note(measured),
    )  # fmt: skip


def _over_raw(way: str, least: float) -> Aim:
    def note(measured: Measured) -> str:
        over = measured["ratios"][way]["over_one"]
        return "over 1: noise, or another batch than raw's would be better" if over else ""

    return Aim(
        f"{way} over raw", ">=", least, lambda one: one["ratios"][way]["by_the_clock"], note=note
    )


def _over_one_by_one(encoder: str, options: BackendOptions) -> Aim:
    """Of bfloat16 and a CPU with AMX; elsewhere it is told, and fails nothing."""
    applies = has_amx() and encoder == VIT and options.precision is Precision.BF16
    return Aim(
        f"{STREAM} over {ONE_BY_ONE}", ">=", _OVER_ONE_BY_ONE,
        lambda one: one[f"{STREAM}_over_one_by_one"]["by_the_clock"],
        must=applies, note=lambda _: "" if applies else "no goal here",
    )  # fmt: skip


def _batches_waited(measured: Measured) -> float:
    latency = measured["latency"]
    return _in_batches(latency[f"at_{GOAL_PERCENT}_percent"], latency["delay_ms"])


def _in_batches(at_load: Measured, delay_ms: float) -> float:
    return float((at_load["p99_ms"] - delay_ms) / at_load["ridden_batch_ms"])


def _wrong(measured: Measured) -> float:
    many = measured["many_streams"]
    return float(many["wrong_answers"] + many["broken_streams"])


def _ahead_of_peer(measured: Measured) -> float:
    rates = measured["images_per_s"]
    return float(rates[UNARY]["per_wall_s"] / rates[PEER]["per_wall_s"])


def _p99_over_peer(measured: Measured) -> float:
    waited = measured["latency_beside_peer"]
    return float(waited["service"]["p99_ms"] / waited[PEER]["p99_ms"])


def _about_p99(measured: Measured) -> str:
    latency = measured["latency"]
    at_half = latency[f"at_{GOAL_PERCENT}_percent"]
    ideal = f"a server without overhead: {_in_batches(at_half['ideal'], latency['delay_ms']):.2f}"
    return "; ".join(part for part in (ideal, _few(at_half["over_p99"])) if part)


def _few_over_p99_beside_peer(measured: Measured) -> str:
    return _few(measured["latency_beside_peer"]["service"]["over_p99"])


def _few(over: int) -> str:
    return f"only {over} waited longer" if over < ENOUGH_OVER_P99 else ""
