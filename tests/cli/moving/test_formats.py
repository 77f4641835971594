"""Every format: what is written is read again, by Lodestone and by others."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from lodestone.cli.inputs.encoder_choice import EncoderChoice
from lodestone.cli.inputs.parquet_file import parquet_part
from lodestone.cli.moving.exported_row import row_of
from lodestone.cli.moving.formats import FORMATS
from lodestone.cli.moving.found_row import Refused
from lodestone.cli.moving.shard import ShardDamaged
from tests.cli.moving.made import ENCODER_ID, embedding_values, exported

SAMPLES = """
import json, sys, webdataset
samples = [
    (
        one["__key__"],
        one["json"]["digest"],
        one["npy"].tolist() if "npy" in one else None,
        sorted(name for name in one if not name.startswith("_")),
    )
    for one in webdataset.WebDataset(sys.argv[1], shardshuffle=False).decode()
]
print(json.dumps(samples))
"""
IMAGES = [exported(0), exported(1, format_name="PNG"), exported(2, dimension=0), exported(3)]


@pytest.fixture(params=sorted(FORMATS))
def shard(request, tmp_path):
    """The format, a shard of four images, one of them without an embedding, and its SHA-256."""
    form = FORMATS[request.param]
    return form, *write(form, tmp_path, IMAGES)


def write(form, folder, images):
    path = folder / f"shard-000000{form.suffix}"
    writer = form.open_writer(path)
    for image in images:
        row = row_of(image)
        assert writer.fits(row)
        writer.add(row)
    return path, writer.seal().sha256


def test_a_shard_is_read_as_it_was_written(shard):
    """Every field of every record, the bytes, and the embeddings bit by bit, in their order."""
    form, path, sha256 = shard
    found = [row.request for row in form.read(path, sha256, False)]
    for request, image in zip(found, IMAGES, strict=True):
        assert request.record == image.record
        assert request.encoded == image.encoded
        assert request.embedding == image.embedding
        assert request.HasField("embedding") == image.HasField("embedding")


def test_a_shard_of_the_same_images_is_the_same(shard, tmp_path):
    """Byte by byte, whoever writes it and when."""
    form, _, sha256 = shard
    (tmp_path / "again").mkdir()
    assert write(form, tmp_path / "again", IMAGES)[1] == sha256


def test_a_changed_shard_is_refused_whole_unless_it_is_salvaged(shard):
    """One bit: one refusal; salvaged, what is whole is read."""
    form, path, sha256 = shard
    victim = min(path.glob("*.json")) if path.is_dir() else path
    content = bytearray(victim.read_bytes())
    content[content.index(b'"source"') + 1] ^= 1
    victim.write_bytes(content)
    if form.word == "folder":
        refused = [row for row in form.read(path, sha256, False) if isinstance(row, Refused)]
        assert [row.reason for row in refused] == [f"{victim.name} is not what was exported"]
    else:
        with pytest.raises(ShardDamaged, match="not what was exported"):
            list(form.read(path, sha256, False))
    assert len([row for row in form.read(path, sha256, True) if not isinstance(row, Refused)]) >= 3


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_cut_shard(shard, kept):
    """Cut anywhere it is refused; salvaged, it ends in one refusal or error, and gives no image that is not whole."""
    form, path, sha256 = shard
    victim = path / "SHA256SUMS" if path.is_dir() else path
    content = victim.read_bytes()
    victim.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ShardDamaged):
        list(form.read(path, sha256, False))
    digests = {image.record.digest for image in IMAGES}
    try:
        for row in form.read(path, sha256, True):
            if not isinstance(row, Refused):
                assert hashlib.sha256(row.request.encoded).hexdigest() in digests
    except ShardDamaged:
        assert form.word != "folder"


def test_others_read_tar_files(tmp_path):
    """Members that share a key lie in a row, plain files all: the rules of webdataset, by Python's tarfile."""
    path, _ = write(FORMATS["webdataset"], tmp_path, IMAGES)
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert all(member.isfile() for member in archive)
        facts = json.load(archive.extractfile(names[1]))
        values = np.load(io.BytesIO(archive.extractfile(names[2]).read()))
    keys = [name.split(".")[0] for name in names]
    assert list(dict.fromkeys(keys)) == [image.record.digest for image in IMAGES]
    assert keys == sorted(keys, key=list(dict.fromkeys(keys)).index)
    assert [name.partition(".")[2] for name in names[:3]] == ["jpg", "json", "npy"]
    assert (facts["title"], facts["url"]) == ("Sünrise № 0", "file:///photos/0.jpg")
    assert np.array_equal(values, embedding_values(0))


def test_others_read_parquet_files(tmp_path):
    """Columns of plain types, times of nanoseconds, embeddings as a matrix."""
    path, _ = write(FORMATS["parquet"], tmp_path, IMAGES)
    table = pq.read_table(path)
    assert table["digest"].to_pylist() == [image.record.digest for image in IMAGES]
    assert table["encoded"].to_pylist() == [image.encoded for image in IMAGES]
    assert table["log_likelihood"].to_pylist()[3] == 13.5
    assert table["accept_time"].cast("int64").to_pylist()[0] == 1_764_000_000_987_654_321
    assert str(table.schema.field("embedding").type).endswith("[8]")
    assert table["embedding"].null_count == 1
    assert table["encoder_id"].to_pylist() == [ENCODER_ID, ENCODER_ID, None, ENCODER_ID]
    matrix = np.stack([row for row in table["embedding"].to_numpy() if row is not None])
    assert np.array_equal(matrix, [embedding_values(seed) for seed in (0, 1, 3)])


def test_a_parquet_file_has_embeddings_of_one_length(tmp_path):
    """An image of another encoder does not fit; one without an embedding does."""
    writer = FORMATS["parquet"].open_writer(tmp_path / "a.parquet")
    writer.add(row_of(exported(0, dimension=0)))
    assert writer.fits(row_of(exported(1, dimension=8)))
    writer.add(row_of(exported(1, dimension=8)))
    assert not writer.fits(row_of(exported(2, dimension=16)))
    assert writer.fits(row_of(exported(3, dimension=0)))
    writer.seal()


def test_the_webdataset_library_reads_tar_files(tmp_path):
    """A sample for each image, in their order, decoded by the library itself."""
    write(FORMATS["webdataset"], tmp_path, IMAGES)
    # A process of its own: the library leaves files open.
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        SAMPLES,
        tmp_path / "shard-{000000..000000}.tar",
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    samples = json.loads(done.stdout)
    digests = [image.record.digest for image in IMAGES]
    assert [sample[:2] for sample in samples] == [[digest, digest] for digest in digests]
    assert [sample[2] for sample in samples] == [
        None if seed == 2 else embedding_values(seed).tolist() for seed in range(4)
    ]
    names = [
        ["jpg", "json", "npy"],
        ["json", "npy", "png"],
        ["jpg", "json"],
        ["jpg", "json", "npy"],
    ]
    assert [sample[3] for sample in samples] == names


def test_a_profile_is_fitted_to_parquet_files(tmp_path):
    """What `profile fit` reads: embeddings with their encoder, precision and digest."""
    images = [IMAGES[0], IMAGES[1], IMAGES[3]]
    path, _ = write(FORMATS["parquet"], tmp_path, images)
    part = parquet_part(path, EncoderChoice())
    for found, image in zip(part.embeddings, images, strict=True):
        assert np.allclose(found.values, image.embedding.values)
        assert (found.encoder_id, found.precision) == (ENCODER_ID, image.embedding.precision)
    assert [label.digest for label in part.labels] == [image.record.digest for image in images]
