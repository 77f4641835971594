"""Parts of a fit that go together, and those that do not."""

from __future__ import annotations

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.part import Part, require_alike, require_kind
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32

KIND = Kind("a" * 64, PRECISION_FP32, 4)


def part(given, kind=KIND):
    """A part without embeddings."""
    return Part(given=given, kind=kind, embeddings=(), labels=(), names=())


def test_parts_of_one_kind_go_together():
    """Any number of them."""
    require_alike([])
    require_alike([part("a"), part("b"), part("c")])


def test_the_first_difference_is_named():
    """With both inputs, or with whatever has the kind that is wanted."""
    other = part("c.npy", Kind("a" * 64, PRECISION_FP32, 512))
    with pytest.raises(CliError, match="c.npy is of 512 coordinates, and a of 4 coordinates: "):
        require_alike([part("a"), part("b"), other])
    with pytest.raises(CliError, match="c.npy is of 512 coordinates, and landscapes@2 of 4"):
        require_kind([other], KIND, "landscapes@2")
