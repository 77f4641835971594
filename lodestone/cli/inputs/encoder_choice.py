"""Which encoder embeddings from elsewhere are said to be of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lodestone.cli.checkout import find_checkout
from lodestone.cli.encoder_folders import described_encoders
from lodestone.cli.errors import CliError
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.words import one_line
from lodestone.embedder.v1.encoder_pb2 import Encoder
from lodestone.image.v1 import embedding_pb2
from lodestone.image.v1.embedding_pb2 import Precision

SERVED: Final = "served"

_ENCODER_ID: Final = re.compile(r"[0-9a-f]{64}")
_PRECISIONS: Final = {
    "fp32": embedding_pb2.PRECISION_FP32,
    "fp16": embedding_pb2.PRECISION_FP16,
    "bf16": embedding_pb2.PRECISION_BF16,
}


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """What --encoder-id and --precision say.

    Attributes:
        encoder_id: 64 hex digits; empty if nothing was said.
        precision: Unspecified if nothing was said: fp32, where the file says nothing either.
        dimension: How many coordinates this encoder's embeddings have; 0 if that is not known here.
    """

    encoder_id: str = ""
    precision: Precision.ValueType = embedding_pb2.PRECISION_UNSPECIFIED
    dimension: int = 0

    def kind(self, encoder_id: str | None = None, precision: str | None = None) -> Kind:
        """The kind of an embedding whose file says this much about it.

        Raises:
            ValueError: The file and the options contradict each other, or neither says which encoder it was.
        """
        stated = (encoder_id or "").lower()
        if stated and _ENCODER_ID.fullmatch(stated) is None:
            raise ValueError(f"has the encoder id {one_line(stated[:80])!r}, not 64 hex digits")
        if stated and self.encoder_id and stated != self.encoder_id:
            raise ValueError(
                f"is of encoder {stated[:12]}…, and --encoder-id says {self.encoder_id[:12]}…"
            )
        if not stated and not self.encoder_id:
            raise ValueError("does not say which encoder made it: --encoder-id does")
        dimension = self.dimension if stated in ("", self.encoder_id) else 0
        return Kind(stated or self.encoder_id, self._precision(precision), dimension)

    def _precision(self, stated: str | None) -> Precision.ValueType:
        if not stated:
            return self.precision or embedding_pb2.PRECISION_FP32
        precision = precision_of(stated)
        if self.precision not in (embedding_pb2.PRECISION_UNSPECIFIED, precision):
            raise ValueError(f"is of precision {stated}, and --precision says another")
        return precision


def precision_of(text: str) -> Precision.ValueType:
    """The precision that `fp32`, `fp16` or `bf16` names.

    Raises:
        ValueError: It names none.
    """
    precision = _PRECISIONS.get(text.lower())
    if precision is None:
        raise ValueError(f"has the precision {one_line(text[:80])!r}, not fp32, fp16 or bf16")
    return precision


@dataclass(frozen=True, slots=True)
class KnownEncoders:
    """The encoders that can be named: those on this machine, and the one that is served, if it was asked for."""

    data: Path
    note: Callable[[str], None]
    served: Encoder | None = None

    def choose(self, text: str, precision: str = "") -> EncoderChoice:
        """Reads --encoder-id and --precision.

        Args:
            text: 64 hex digits, a name that `lodestone encoder list` shows, `served`, or empty.
            precision: Empty says nothing.

        Raises:
            CliError: There is no such encoder.
        """
        stated = precision_of(precision) if precision else embedding_pb2.PRECISION_UNSPECIFIED
        if not text:
            return EncoderChoice(precision=stated)
        dimensions = self._dimensions()
        if text == SERVED and self.served is not None:
            text = self.served.encoder_id
        encoder_id = text.lower() if _ENCODER_ID.fullmatch(text.lower()) else self._named(text)
        return EncoderChoice(encoder_id, stated, dimensions.get(encoder_id, 0))

    def _named(self, name: str) -> str:
        known = {
            str(facts.get("name")): str(facts.get("encoder_id")) for facts in self._described()
        }
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise CliError(
                f"--encoder-id takes 64 hex digits, `{SERVED}`, or the name of an encoder, not {name!r}; "
                f"there is {there} (see: lodestone encoder list)"
            )
        return known[name]

    def _dimensions(self) -> dict[str, int]:
        found = {
            str(facts.get("encoder_id")): dimension
            for facts in self._described()
            if isinstance(dimension := facts.get("dimension"), int)
        }
        served = {self.served.encoder_id: self.served.dimension} if self.served else {}
        return found | served

    def _described(self) -> list[dict[str, object]]:
        return [facts for _, facts in described_encoders(self.data, find_checkout(), self.note)]
