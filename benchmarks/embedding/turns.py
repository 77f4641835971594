"""Turns: every way once, one after the other, so that what else the machine does falls on all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks.embedding.images import Images
from benchmarks.embedding.rates import Rates
from benchmarks.embedding.raw import RawNetwork
from benchmarks.embedding.served import IN_FLIGHT, ServedEmbedder
from benchmarks.embedding.triton import TritonPeer
from benchmarks.embedding.ways import JPEGS, ONE_BY_ONE, PEER, RAW, STREAM, UNARY

# Of the time of a turn; the slow way needs no more.
_ONE_BY_ONE_SHARE: Final = 0.5
# A stream begins and ends with small batches: of fewer images than these that would be what is measured.
_FEWEST: Final = 256


@dataclass(frozen=True, slots=True)
class Turns:
    """What takes turns.

    Attributes:
        images: What is computed.
        raw: The network in this process.
        one_by_one: The same in ONNX Runtime.
        served: The service.
        peer: Another server, or None.
    """

    images: Images
    raw: RawNetwork
    one_by_one: RawNetwork
    served: ServedEmbedder
    peer: TritonPeer | None

    async def run(self, seconds: float) -> dict[str, Rates]:
        """Every way, for about so long each if it is as fast as the raw network."""
        return await self.run_images(self._count(seconds))

    async def run_images(self, count: int) -> dict[str, Rates]:
        """Every way, with about so many images."""
        rates = {
            RAW: self.raw.run(count),
            STREAM: await self.served.stream(self.images.pixels, count),
            JPEGS: await self.served.stream(self.images.encoded, count),
            UNARY: await self.served.unary(self.images.pixels, count),
            ONE_BY_ONE: self.one_by_one.run(self._one_by_one_count(count)),
        }
        if self.peer is not None:
            rates[PEER] = await self.peer.closed_loop(count, IN_FLIGHT)
        return rates

    async def stream(self, seconds: float) -> None:
        """Pixels alone."""
        await self.served.stream(self.images.pixels, self._count(seconds))

    def _count(self, seconds: float) -> int:
        """Images for so long at the raw network's best, in whole batches of every size; 256 at least."""
        return max(_FEWEST, round(self.raw.per_s * seconds / IN_FLIGHT) * IN_FLIGHT)

    def _one_by_one_count(self, count: int) -> int:
        """Images for its share of the time that the raw network takes for `count`, which on a GPU are very many."""
        seconds = _ONE_BY_ONE_SHARE * count / self.raw.per_s
        return max(1, round(seconds * self.one_by_one.per_s))
