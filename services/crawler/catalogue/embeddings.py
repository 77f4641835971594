"""Recorded embeddings: what the encoder gave for fetched bytes, with its id and precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, select

from services.crawler.catalogue.schema import candidates
from services.servicekit.embedding import Embedding, Precision

_GET_EMBEDDINGS = select(
    candidates.c.digest, candidates.c.embedding, candidates.c.encoder_id, candidates.c.precision
).where(
    candidates.c.digest.in_(bindparam("of_digests", expanding=True)),
    candidates.c.embedding.is_not(None),
)


def get_embeddings(connection: Connection, digests: Sequence[str]) -> dict[str, Embedding]:
    """Returns the recorded embeddings of these bytes by digest, whatever made them; at most 32,000 digests."""
    rows = connection.execute(_GET_EMBEDDINGS, {"of_digests": list(digests)})
    return {row.digest: embedding_of(row) for row in rows}


def embedding_of(row: Any) -> Embedding:
    """Reads the embedding of a row of candidates that has one."""
    values = np.frombuffer(row.embedding, dtype="<f4")
    return Embedding(values, row.encoder_id, Precision(row.precision))
