"""What embeddings must have in common to be fitted together."""

from __future__ import annotations

from dataclasses import dataclass

from lodestone.cli.words import word
from lodestone.image.v1.embedding_pb2 import Embedding, Precision


@dataclass(frozen=True, slots=True)
class Kind:
    """The encoder, the precision and the dimension of embeddings.

    Attributes:
        encoder_id: 64 hex digits.
        precision: What the encoder computed in.
        dimension: How many coordinates; 0 if that is not known.
    """

    encoder_id: str
    precision: Precision.ValueType
    dimension: int = 0

    @classmethod
    def of(cls, embedding: Embedding) -> Kind:
        """The kind of one embedding."""
        return cls(embedding.encoder_id, embedding.precision, len(embedding.values))

    def difference(self, other: Kind) -> tuple[str, str] | None:
        """What sets two kinds apart: the word for this one and the word for the other; None if nothing does."""
        if self.encoder_id != other.encoder_id:
            return f"encoder {self.encoder_id[:12]}…", f"encoder {other.encoder_id[:12]}…"
        if self.precision != other.precision:
            return f"precision {precision_word(self)}", f"precision {precision_word(other)}"
        if self.dimension and other.dimension and self.dimension != other.dimension:
            return f"{self.dimension:,} coordinates", f"{other.dimension:,} coordinates"
        return None


def precision_word(kind: Kind) -> str:
    """`fp32`."""
    return word(Precision, kind.precision).lower()
