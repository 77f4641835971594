"""Everything that is measured: each encoder in each precision, and a report of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from benchmarks.embedding.combination import Combination
from benchmarks.embedding.encoders import EncoderAbsent, find_encoder
from benchmarks.embedding.goals import goals_of
from benchmarks.embedding.images import images_for
from benchmarks.embedding.plan import Plan
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

    def __init__(self, backend: BackendName, plan: Plan, *, with_peer: bool) -> None:
        self._backend = backend
        self._plan = plan
        self._with_peer = with_peer
        self._measured: dict[str, dict[str, Any]] = {}
        self.goals: list[Goal] = []
        self.left_out: dict[str, str] = {}

    async def measure(self, encoder: str, precisions: Sequence[str]) -> None:
        """Measures one encoder in these precisions (`fp32`, `bf16`)."""
        try:
            folder = load_encoder_folder(find_encoder(encoder))
        except EncoderAbsent as error:
            self.left_out[encoder] = str(error)
            return
        for precision in precisions:
            name = f"{encoder} {precision}"
            try:
                measured = await self._measure(folder, name, Precision(precision.upper()))
            except Misconfigured as error:
                # The backend or the precision is not there.
                self.left_out[name] = str(error)
                continue
            self._measured[name] = measured
            self.goals += goals_of(encoder, precision, measured)

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

    async def _measure(
        self, folder: EncoderFolder, name: str, precision: Precision
    ) -> dict[str, Any]:
        options = BackendOptions(self._backend, precision)
        async with self._peer(folder, name, precision) as peer:
            return await Combination(folder, options, self._plan, peer).measure()

    @asynccontextmanager
    async def _peer(
        self, folder: EncoderFolder, name: str, precision: Precision
    ) -> AsyncIterator[TritonPeer | None]:
        """The peer, which computes in fp32: it is compared with the service in the same precision."""
        async with AsyncExitStack() as stack:
            peer = None
            if self._with_peer and precision is Precision.FP32:
                try:
                    python = await asyncio.to_thread(install_triton)
                    inputs = images_for(folder.input_shape).inputs
                    peer = await stack.enter_async_context(served_triton(python, folder, inputs))
                except PeerAbsent as error:
                    self.left_out[f"peer of {name}"] = str(error)
            yield peer
