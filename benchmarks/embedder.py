"""The embedder beside its own network: what decoding, Python and gRPC cost, goals beside measured values.

JSON on standard output, lines for people on standard error. For each encoder and precision the raw network, a stream of
pixels, a stream of JPEGs, 64 unary callers, ONNX Runtime one by one and a served peer take turns in one run, since
absolute times drift on machines that others use; then callers come at random at three loads, and 256 streams at once.
With CUDA at hand each encoder is computed on the GPU as well, in fp32 and fp16. An encoder, a backend, a precision or
the peer that is not to be had here is left out: its goals stand in the report as not measured, with the reason. The
exit status is 1 if a goal is missed, a measurement broke off, or nothing could be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Final

from benchmarks.embedding.choice import choices
from benchmarks.embedding.encoders import NAMES
from benchmarks.embedding.plan import Plan
from benchmarks.embedding.whole import Whole
from benchmarks.serving.machine import machine_facts
from services.servicekit.embedding import Precision
from services.servicekit.inference.backend import BackendName
from services.servicekit.inference.onnxruntime_backend import has_cuda

_PACKAGES: Final = ("onnxruntime", "onnxruntime-gpu", "openvino", "grpcio", "numpy", "pillow")


def main() -> int:
    """Measures and prints. Returns the exit status."""
    options = _options()
    plan = Plan(
        options.turns, options.turn_s, options.latency_s, options.memory_s, options.many_streams_s,
        options.streams,
    )  # fmt: skip
    whole = Whole(plan, with_peer=not options.no_peer)
    for encoder in options.encoder or NAMES:
        asyncio.run(whole.measure(encoder, options.choices))
    print(json.dumps({**whole.report(), "machine": machine_facts(*_PACKAGES)}, indent=2))
    for goal in whole.goals:
        print(goal, file=sys.stderr)
    for what, why in whole.left_out.items():
        print(f"{what} left out: {why}", file=sys.stderr)
    return 0 if whole.is_met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", action="append", choices=NAMES, help="default: both")
    parser.add_argument("--backend", choices=[one.value for one in BackendName], default="auto")
    parser.add_argument("--precision", action="append", choices=[one.lower() for one in Precision])
    parser.add_argument("--turns", type=int, default=Plan.turns, help="turns of each way")
    parser.add_argument("--turn-s", type=float, default=Plan.turn_s, help="seconds of one turn")
    parser.add_argument("--latency-s", type=float, default=Plan.latency_s, help="at each load")
    parser.add_argument("--memory-s", type=float, default=Plan.memory_s, help="watched at least")
    parser.add_argument("--many-streams-s", type=float, default=Plan.many_streams_s)
    parser.add_argument("--streams", type=int, default=Plan.streams, help="of the one client")
    parser.add_argument("--no-peer", action="store_true", help="without Triton")
    options = parser.parse_args()
    if min(options.turns, options.streams) < 1:
        parser.error("at least one turn and one stream are needed")
    options.choices = choices(
        BackendName(options.backend),
        [Precision(one.upper()) for one in options.precision or ()],
        has_cuda=has_cuda(),
    )
    if not options.choices:
        parser.error(f"{options.backend} has no {', '.join(options.precision)} here")
    return options


if __name__ == "__main__":
    sys.exit(main())
