"""Everything that is measured: each encoder in each precision, and a report of it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from benchmarks.embedding.choice import label
from benchmarks.embedding.combination import Combination
from benchmarks.embedding.encoders import EncoderAbsent, find_encoder
from benchmarks.embedding.goals import aims_beside_peer, aims_of, goals_of, unmeasured
from benchmarks.embedding.images import images_for
from benchmarks.embedding.plan import Plan
from benchmarks.embedding.raw import SERVED_INSTANCES
from benchmarks.embedding.triton import PeerAbsent, TritonPeer, install_triton, served_triton
from benchmarks.serving.goal import Goal
from services.servicekit.embedding import Precision
from services.servicekit.encoder_folder import EncoderFolder, load_encoder_folder
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName, BackendOptions

# What is divided by something else, as the head of the report.
_RATIOS: Final = ("ratios", "stream_of_pixels_over_one_by_one")


class Whole:
    """The measurements so far.

    Attributes:
        goals: Of everything that was measured.
        left_out: What could not be measured, and why.
    """

    def __init__(self, plan: Plan, *, with_peer: bool) -> None:
        self._plan = plan
        self._with_peer = with_peer
        self._broke_off = False
        self._measured: dict[str, dict[str, Any]] = {}
        self.goals: list[Goal] = []
        self.left_out: dict[str, str] = {}

    async def measure(self, encoder: str, choices: Sequence[BackendOptions]) -> None:
        """Measures one encoder, computed in each of these ways."""
        try:
            folder = load_encoder_folder(find_encoder(encoder))
        except EncoderAbsent as error:
            for options in choices:
                self._leave_out(encoder, options, str(error))
            return
        for options in choices:
            try:
                await self._measure(encoder, folder, options)
            except Misconfigured as error:
                # The backend or the precision is not there.
                self._leave_out(encoder, options, str(error))
            except Exception as error:  # noqa: BLE001 - what was measured before is not lost
                traceback.print_exc()
                self._broke_off = True
                self._leave_out(encoder, options, f"broke off: {error!r}")

    @property
    def is_met(self) -> bool:
        """Whether something was measured, nothing broke off, and no goal was missed."""
        missed = any(goal.is_missed for goal in self.goals)
        return bool(self._measured) and not (missed or self._broke_off)

    def report(self) -> dict[str, Any]:
        """Goals and ratios first, then what they were made of."""
        return {
            "benchmark": "embedder",
            "goals": [goal.to_json() for goal in self.goals],
            **{
                head: {name: one.pop(head) for name, one in self._measured.items()}
                for head in _RATIOS
            },
            "measured": self._measured,
            "left_out": self.left_out,
        }

    async def _measure(self, encoder: str, folder: EncoderFolder, options: BackendOptions) -> None:
        name = f"{encoder} {label(options)}"
        async with self._peer(folder, name, options) as peer:
            measured = await Combination(folder, options, self._plan, peer).measure()
        self._measured[name] = measured
        self.goals += goals_of(name, aims_of(encoder, options), measured)
        if peer is not None:
            self.goals += goals_of(name, aims_beside_peer(), measured)

    def _leave_out(self, encoder: str, options: BackendOptions, why: str) -> None:
        name = f"{encoder} {label(options)}"
        aims = aims_of(encoder, options)
        if self._wants_peer(options):
            aims += aims_beside_peer()
        self.left_out[name] = why
        self.goals += unmeasured(name, aims, why)

    def _wants_peer(self, options: BackendOptions) -> bool:
        """The peer computes on the CPU in fp32: it is compared with what does the same."""
        on_cpu = options.backend is not BackendName.CUDA
        return self._with_peer and on_cpu and options.precision is Precision.FP32

    @asynccontextmanager
    async def _peer(
        self, folder: EncoderFolder, name: str, options: BackendOptions
    ) -> AsyncIterator[TritonPeer | None]:
        async with AsyncExitStack() as stack:
            peer = None
            if self._wants_peer(options):
                try:
                    python = await asyncio.to_thread(install_triton)
                    inputs = images_for(folder.input_shape).inputs
                    served = served_triton(python, folder, inputs, SERVED_INSTANCES)
                    peer = await stack.enter_async_context(served)
                except PeerAbsent as error:
                    self.left_out[f"peer of {name}"] = str(error)
                    self.goals += unmeasured(name, aims_beside_peer(), str(error))
            yield peer
