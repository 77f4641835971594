"""Parquet files of embeddings, sound and hostile."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.inputs.encoder_choice import EncoderChoice
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.parquet_file import parquet_part
from lodestone.image.v1.embedding_pb2 import PRECISION_BF16, PRECISION_FP32

CLIP = "c" * 64
CHOICE = EncoderChoice(CLIP)


def lists(rows, kind=None):
    """A column of lists of float32, or of another type."""
    return pa.array(rows, kind or pa.list_(pa.float32()))


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float32(), 4),
        pa.list_(pa.float16(), 4),
        pa.large_list(pa.float32()),
    ],
)
def test_lists_of_floats_are_embeddings(parquet, rows, kind):
    """Lists and lists of fixed size, normed; gone through twice."""
    values = rows.astype(np.float16) if kind.value_type == pa.float16() else rows
    part = parquet_part(parquet(embedding=lists([list(row) for row in values], kind)), CHOICE)
    wanted = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for _ in range(2):
        assert np.allclose([one.values for one in part.embeddings], wanted, atol=2e-3)
    assert part.kind == Kind(CLIP, PRECISION_FP32, 4)
    assert [label.name for label in part.labels][::9] == ["clip.parquet[0]", "clip.parquet[9]"]


def test_columns_say_what_rows_are_and_what_they_are_called(parquet):
    """Encoder, precision, digest and name of each; a row without a name is called by its place."""
    part = parquet_part(
        parquet(
            encoder_id=pa.array([CLIP.upper()] * 10).dictionary_encode(),
            precision=pa.array(["bf16"] * 10),
            digest=pa.array(["AB" * 32, None, ""] + ["cd" * 32] * 7),
            name=pa.array(["a.jpg", None, "c\x1b.jpg"] + ["d.jpg"] * 7),
        ),
        EncoderChoice(),
    )
    assert part.kind == Kind(CLIP, PRECISION_BF16, 4)
    assert {(one.encoder_id, one.precision) for one in part.embeddings} == {(CLIP, PRECISION_BF16)}
    labels = [(label.digest, label.name) for label in part.labels]
    assert labels[:4] == [
        ("ab" * 32, "a.jpg"),
        ("", "clip.parquet[1]"),
        ("", "c�.jpg"),
        ("cd" * 32, "d.jpg"),
    ]
    assert list(part.names)[:3] == ["a.jpg", "clip.parquet[1]", "c�.jpg"]


def test_a_path_is_a_name_too(parquet):
    """The column `path`, where there is no `name`."""
    part = parquet_part(parquet(path=pa.array([f"/photos/{row}.jpg" for row in range(10)])), CHOICE)
    assert next(iter(part.names)) == "/photos/0.jpg"


def test_more_rows_than_are_read_at_once(parquet):
    """Over several batches and row groups, in their order."""
    values = [[float(row), 1.0] for row in range(1, 3001)]
    path = parquet(embedding=lists(values))
    pq.write_table(pq.read_table(path), path, row_group_size=700)
    part = parquet_part(path, CHOICE)
    found = [one.values[0] / one.values[1] for one in part.embeddings]
    assert np.allclose(found, np.arange(1, 3001), rtol=1e-4)
    assert list(part.names)[2999] == "clip.parquet[2999]"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (
            {"embedding": None, "vector": pa.array([1.0])},
            "has no column 'embedding'; its columns: 'vector'",
        ),
        (
            {"embedding": lists([[1, 2]], pa.list_(pa.int64()))},
            "holds list<element: int64>, not lists",
        ),
        ({"embedding": pa.array([1.0, 2.0])}, "holds double, not lists of floats"),
        ({"embedding": pa.array([{"a": 1.0}])}, "holds struct<a: double>, not lists of floats"),
        ({"embedding": lists([[[1.0]]], pa.list_(pa.list_(pa.float32())))}, "not lists of floats"),
        ({"embedding": pa.array([b"1234"])}, "holds binary, not lists of floats"),
        ({"embedding": lists([])}, "has no rows"),
        ({"digest": pa.array(range(10))}, "the column 'digest' holds int64, not texts"),
        ({"encoder_id": pa.array([b"x"] * 10)}, "the column 'encoder_id' holds binary, not texts"),
    ],
)
def test_other_columns_are_one_line(parquet, columns, says):
    """What is there, and what is wanted."""
    with pytest.raises(CliError, match=says) as caught:
        parquet_part(parquet(**columns), CHOICE)
    assert "clip.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"embedding": lists([[1, 2], None, [1, 2]])}, "row 1 has no embedding"),
        ({"embedding": lists([[1, 2], None], pa.list_(pa.float32(), 2))}, "row 1 has no embedding"),
        ({"embedding": lists([[1, 2], [1, None]])}, "row 1 has a null among its numbers"),
        ({"embedding": lists([[1, 2], []])}, "row 1 has no embedding"),
        ({"embedding": lists([[1, 2], [1, 2, 3]])}, "row 1 has 3 numbers, and row 0 2"),
        ({"embedding": lists([[1, 2], [0, 0]])}, "row 1 has only zeros"),
        ({"embedding": lists([[1, 2], [float("inf"), 0]])}, "row 1 has NaN or infinite values"),
        ({"encoder_id": pa.array([CLIP] * 3 + ["d" * 64] * 7)}, "row 3 is of encoder d{12}…, and"),
        ({"encoder_id": pa.array(["nonsense"] * 10)}, "row 0 has the encoder id 'nonsense'"),
        (
            {"precision": pa.array(["fp32"] * 4 + ["bf16"] * 6)},
            "row 4 is of precision bf16, and row 0",
        ),
        ({"precision": pa.array(["int8"] * 10)}, "row 0 has the precision 'int8'"),
        ({"digest": pa.array(["ab" * 32] * 9 + ["abc"])}, "row 9 has the digest 'abc', not 64"),
    ],
)
def test_bad_rows_are_named(parquet, columns, says):
    """By file and place, at the latest when they are reached."""
    with pytest.raises(CliError, match=rf"clip.parquet: {says}.*\(rows count from 0\)"):
        part = parquet_part(
            parquet(**columns), EncoderChoice() if "encoder_id" in columns else CHOICE
        )
        list(zip(part.embeddings, part.labels, strict=True))


def test_an_encoder_must_be_stated_somewhere(parquet):
    """By the file or the option, which say the same."""
    with pytest.raises(
        CliError, match="row 0 does not say which encoder made it: --encoder-id does"
    ):
        parquet_part(parquet(), EncoderChoice())
    with pytest.raises(CliError, match="row 0 is of encoder d{12}…, and --encoder-id says c{12}…"):
        parquet_part(parquet(encoder_id=pa.array(["d" * 64] * 10)), CHOICE)


def test_another_dimension_than_the_encoders_is_refused(parquet):
    """With both numbers."""
    with pytest.raises(CliError, match="has rows of 4 numbers, and the encoder c{12}… makes 512"):
        parquet_part(parquet(), EncoderChoice(CLIP, dimension=512))


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"no Parquet at all" * 9, b"PAR1" + bytes(50) + b"\xff\xff\xff\x7fPAR1"],
)
def test_hostile_files_are_one_line(tmp_path, content):
    """What pyarrow says of them."""
    path = tmp_path / "clip.parquet"
    path.write_bytes(content)
    with pytest.raises(CliError, match="clip.parquet is no Parquet file to read: ") as caught:
        parquet_part(path, CHOICE)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_one_line(parquet):
    """Its footer is cut."""
    path = parquet()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CliError, match="clip.parquet is no Parquet file to read: "):
        parquet_part(path, CHOICE)


def test_a_file_with_torn_pages_is_one_line(parquet, rows):
    """The footer is whole; the numbers before it are not."""
    path = parquet(embedding=lists([list(map(float, range(400)))] * 50))
    content = bytearray(path.read_bytes())
    content[20:600] = b"\xff" * 580
    path.write_bytes(content)
    with pytest.raises(CliError, match="clip.parquet"):
        list(parquet_part(path, CHOICE).embeddings)


def test_a_column_that_comes_twice_is_one_line(tmp_path):
    """Nobody can say which one is meant."""
    column = lists([[1.0, 2.0]])
    path = tmp_path / "clip.parquet"
    pq.write_table(pa.Table.from_arrays([column, column], names=["embedding"] * 2), path)
    with pytest.raises(CliError, match="has more than one column 'embedding'"):
        parquet_part(path, CHOICE)


def test_endless_rows_are_refused(parquet):
    """No encoder makes so many numbers."""
    column = lists([[1.0] * 70_000])
    with pytest.raises(CliError, match="row 0 has 70,000 numbers, and at most 65,536 may be"):
        parquet_part(parquet(embedding=column), CHOICE)


def test_texts_that_are_no_utf8_are_one_line(parquet):
    """Bytes that pose as a text."""
    names = pa.StringArray.from_buffers(
        10, pa.array(range(11), pa.int32()).buffers()[1], pa.py_buffer(b"\xff" * 10)
    )
    part = parquet_part(parquet(name=names), CHOICE)
    with pytest.raises(CliError, match="clip.parquet is no Parquet file to read: 'utf-8' codec"):
        list(part.labels)
