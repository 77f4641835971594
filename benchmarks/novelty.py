"""Scoring: embeddings through one stream, and full covariances against scikit-learn, goals beside measured values.

JSON on standard output, lines for people on standard error. Goals are compared with CPU time: wall times depend on what
else the machine does. The exit status is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from benchmarks.scoring import full_covariance, stream
from benchmarks.serving.machine import machine_facts

# Of 1280 coordinates, per CPU-second of client and server together.
STREAM_GOAL_PER_CPU_S = 10_000
RATIO_GOAL = 2.0
DIFFERENCE_GOAL = 1e-4


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    covariance = full_covariance.measure(options.rows, options.repeats)
    streamed = asyncio.run(stream.measure(options.count, options.repeats))
    report = _report(covariance, streamed)
    print(json.dumps(report, indent=2))
    for name, goal in report["goals"].items():
        print(f"{name:62} goal {goal['goal']:>8}  measured {goal['measured']}", file=sys.stderr)
    return 0 if report["goals_met"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="embeddings through the stream")
    parser.add_argument("--rows", type=int, default=2048, help="embeddings scored by both mixtures")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each")
    options = parser.parse_args()
    if min(options.count // 10, options.rows, options.repeats) < 1:
        parser.error("at least 10 embeddings, one row and one repeat are needed")
    return options


def _report(covariance: dict[str, Any], streamed: dict[str, Any]) -> dict[str, Any]:
    per_cpu_s = streamed["many_a_message"]["per_cpu_s"]
    difference = covariance["largest_relative_difference"]
    changed = covariance["verdicts_changed_outside_margin"]
    goals = {
        "embeddings of 1280-d through one stream, per CPU-second": (
            f">= {STREAM_GOAL_PER_CPU_S}",
            per_cpu_s,
            per_cpu_s >= STREAM_GOAL_PER_CPU_S,
        ),
        "16 full covariances of 512-d, times sklearn's score_samples": (
            f">= {RATIO_GOAL}",
            covariance["ratio"],
            covariance["ratio"] >= RATIO_GOAL,
        ),
        "largest relative difference from sklearn": (
            f"<= {DIFFERENCE_GOAL}",
            difference,
            difference <= DIFFERENCE_GOAL,
        ),
        "verdicts changed outside that margin": ("0", changed, changed == 0),
    }
    return {
        "goals": {
            name: {"goal": goal, "measured": measured, "met": met}
            for name, (goal, measured, met) in goals.items()
        },
        "goals_met": all(met for _, _, met in goals.values()) and covariance["is_the_same_twice"],
        "full_covariance": covariance,
        "stream": streamed,
        "machine": machine_facts("numpy", "scikit-learn", "grpcio", "protobuf"),
    }


if __name__ == "__main__":
    sys.exit(main())
