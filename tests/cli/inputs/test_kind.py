"""What sets embeddings apart."""

from __future__ import annotations

import pytest

from lodestone.cli.inputs.kind import Kind
from lodestone.image.v1.embedding_pb2 import PRECISION_BF16, PRECISION_FP32, Embedding

ONE = Kind("a" * 64, PRECISION_FP32, 4)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (ONE, None),
        (Kind("a" * 64, PRECISION_FP32), None),
        (Kind("b" * 64, PRECISION_FP32, 4), ("encoder aaaaaaaaaaaa…", "encoder bbbbbbbbbbbb…")),
        (Kind("a" * 64, PRECISION_BF16, 4), ("precision fp32", "precision bf16")),
        (Kind("a" * 64, PRECISION_FP32, 1280), ("4 coordinates", "1,280 coordinates")),
    ],
)
def test_differences_have_words(other, words):
    """Encoder, precision, dimension, in this order; an unknown dimension differs from none."""
    assert ONE.difference(other) == words


def test_the_kind_of_an_embedding():
    """Its own words and its length."""
    embedding = Embedding(values=[1, 0, 0, 0], encoder_id="a" * 64, precision=PRECISION_FP32)
    assert Kind.of(embedding) == ONE
