"""The parts of a fit as one sequence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from lodestone.cli.image_files import Unreadable
from lodestone.cli.inputs.again import Again
from lodestone.cli.inputs.part import Part
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.image.v1.image_pb2 import Image
from lodestone.novelty.v1.profile_pb2 import ImageLabel

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class FitSet:
    """What is liked, or a background: the embeddings of several inputs, one after the other.

    Attributes:
        parts: One an input; may be none.
    """

    parts: Sequence[Part]

    def __len__(self) -> int:
        return sum(len(part.embeddings) for part in self.parts)

    @property
    def embeddings(self) -> Collection[Embedding]:
        """All embeddings; may be gone through again."""
        return self._all(lambda part: part.embeddings)

    @property
    def labels(self) -> Collection[ImageLabel]:
        """What the service is to call them, in the same order."""
        return self._all(lambda part: part.labels)

    @property
    def left_out(self) -> dict[str, Unreadable]:
        """What had no embedding, by name."""
        return {name: reason for part in self.parts for name, reason in part.left_out.items()}

    @property
    def unmarkable_count(self) -> int:
        """How many embeddings have no image at hand."""
        return sum(len(part.embeddings) for part in self.parts if part.read is None)

    def names_of(self, positions: Collection[int]) -> dict[int, str]:
        """What to call some of them before people."""
        if not positions:
            return {}
        wanted, last = set(positions), max(positions)
        names: dict[int, str] = {}
        for position, name in enumerate(chain.from_iterable(part.names for part in self.parts)):
            if position in wanted:
                names[position] = name
            if position == last:
                break
        return names

    async def read(self, label: ImageLabel) -> bytes | None:
        """The bytes of one of its images; None if they are not at hand."""
        for part in self.parts:
            if label.digest and part.read is not None:
                encoded = await part.read(label.digest)
                if encoded is not None:
                    return encoded
        return None

    async def images_to_mark(self) -> AsyncIterator[Image]:
        """Yields the images that are to be marked as seen."""
        for part in self.parts:
            if part.to_mark and part.read is not None:
                for label in part.labels:
                    encoded = await part.read(label.digest)
                    if encoded is not None:
                        yield Image(encoded=encoded)

    def _all(self, of: Callable[[Part], Collection[Item]]) -> Collection[Item]:
        def make() -> Iterator[Item]:
            return chain.from_iterable(of(part) for part in self.parts)

        return Again(len(self), make)
