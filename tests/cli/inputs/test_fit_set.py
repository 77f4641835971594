"""Parts as one sequence."""

from __future__ import annotations

from lodestone.cli.image_files import Unreadable
from lodestone.cli.inputs.fit_set import FitSet
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.part import Part
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32, Embedding
from lodestone.novelty.v1.profile_pb2 import ImageLabel

PICTURES = {"d0": b"zero", "d1": b"one"}


async def read(digest):
    """The pictures of the first part, as far as they are there."""
    return PICTURES.get(digest)


def embeddings(*numbers):
    """Embeddings that can be told apart."""
    return [Embedding(values=[number]) for number in numbers]


PHOTOS = Part(
    given="photos",
    kind=Kind("a" * 64, PRECISION_FP32),
    embeddings=embeddings(0, 1, 2),
    labels=[ImageLabel(digest=f"d{number}") for number in range(3)],
    names=["0.jpg", "1.jpg", "2.jpg"],
    left_out={"torn.jpg": Unreadable("TRUNCATED", "torn")},
    read=read,
    to_mark=True,
)
ROWS = Part(
    given="x.npy",
    kind=Kind("a" * 64, PRECISION_FP32),
    embeddings=embeddings(7, 8),
    labels=[ImageLabel(name="x[0]"), ImageLabel(name="x[1]")],
    names=["x[0]", "x[1]"],
)


def test_parts_follow_each_other():
    """Embeddings, labels and names, as often as they are gone through."""
    both = FitSet([PHOTOS, ROWS])
    assert len(both) == len(both.embeddings) == len(both.labels) == 5
    for _ in range(2):
        assert [one.values[0] for one in both.embeddings] == [0, 1, 2, 7, 8]
        assert [one.digest or one.name for one in both.labels] == ["d0", "d1", "d2", "x[0]", "x[1]"]
    assert both.names_of({1, 4}) == {1: "1.jpg", 4: "x[1]"}
    assert both.names_of(()) == {}
    assert both.left_out == PHOTOS.left_out
    assert both.unmarkable_count == 2


async def test_bytes_are_read_where_they_are():
    """By digest; what has none, or is gone, has no bytes, and is not marked."""
    both = FitSet([ROWS, PHOTOS])
    assert await both.read(ImageLabel(digest="d1")) == b"one"
    assert await both.read(ImageLabel(digest="d2")) is None
    assert await both.read(ImageLabel(name="x[0]")) is None
    assert [image.encoded async for image in both.images_to_mark()] == [b"zero", b"one"]
