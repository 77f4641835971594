"""Tar files that somebody made up."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from lodestone.cli.moving.exported_row import row_of
from lodestone.cli.moving.found_row import Refused
from lodestone.cli.moving.npy_values import npy_bytes
from lodestone.cli.moving.shard import ShardDamaged
from lodestone.cli.moving.tar_shard import read_tar_shard
from tests.cli.moving.made import embedding_values, exported

ROW = row_of(exported(0))
GOOD = {".jpg": ROW.encoded, ".json": ROW.json, ".npy": npy_bytes(ROW.values)}


def archive_of(path, members):
    """Writes members: (name, content), or TarInfo."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                header = tarfile.TarInfo(member[0])
                header.size = len(member[1])
                archive.addfile(header, io.BytesIO(member[1]))


def sample(digest=ROW.digest, **changes):
    """The members of an image, with others in place of some; None leaves one out."""
    parts = GOOD | {f".{suffix}": content for suffix, content in changes.items()}
    return [(digest + suffix, content) for suffix, content in parts.items() if content is not None]


def read(path):
    rows = list(read_tar_shard(path, "", salvage=True))
    refused = [row for row in rows if isinstance(row, Refused)]
    return [row.request for row in rows if not isinstance(row, Refused)], refused


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "bad",
    [
        ("../../etc/cron.d/x", b"x"),
        ("/etc/passwd", b"x"),
        (f"../{ROW.digest}.jpg", b"x"),
        (f"{ROW.digest}.exe", b"x"),
        ("image.jpg", b"x"),
        link("f" * 64 + ".jpg", "/etc/passwd"),
        link("f" * 64 + ".json", "/etc/passwd", tarfile.LNKTYPE),
        link("f" * 64 + ".npy", "", tarfile.CHRTYPE),
        link("f" * 64 + ".jpg", "", tarfile.FIFOTYPE),
    ],
    ids=lambda bad: bad.name if isinstance(bad, tarfile.TarInfo) else bad[0],
)
def test_a_member_that_is_none_of_an_export(bad, tmp_path):
    """It is refused by its name; the images before and behind it are read, and nothing is written anywhere."""
    other = row_of(exported(1))
    members = [
        *sample(),
        bad,
        (other.digest + ".jpg", other.encoded),
        (other.digest + ".json", other.json),
    ]
    archive_of(tmp_path / "a.tar", members)
    found, refused = read(tmp_path / "a.tar")
    assert {request.record.digest for request in found} == {ROW.digest, other.digest}
    assert 1 <= len(refused) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def nested(depth):
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"json": None}, "missing"),
        ({"jpg": None}, "missing"),
        ({"json": b"{"}, "no JSON"),
        ({"json": nested(200_000)}, "no JSON"),
        ({"json": b'{"record": 1}'}, "no `record`"),
        ({"json": b"[]"}, "no `record`"),
        ({"json": b'{"record": {"digest": ["a"]}}'}, "cannot be read"),
        ({"json": b'{"record": {"digest": "\\ud800"}}'}, "record"),
        ({"json": b'{"record": {"sizeBytes": 1e400}}'}, "record"),
        ({"json": b'{"digest": "a", "record": {"digest": "b"}}'}, "two images"),
        ({"json": b" " * (4 * 1024 * 1024 + 1)}, "at most 4,194,304"),
        ({"npy": b"no numpy"}, "no .npy"),
        ({"npy": GOOD[".npy"][:-4]}, "no row of float32"),
        ({"npy": GOOD[".npy"].replace(b"(8,)", b"(9,)")}, "no row of float32"),
        ({"npy": GOOD[".npy"].replace(b"<f4", b"|O8")}, "no row of float32"),
        ({"npy": bytes(1024 * 1024 + 1)}, "at most 1,048,576"),
        (
            {"json": json.dumps(ROW.facts | {"encoder_id": None}).encode()},
            "encoder or precision",
        ),
        (
            {"json": json.dumps(ROW.facts | {"precision": "FP8"}).encode()},
            "encoder or precision",
        ),
    ],
)
def test_an_image_whose_parts_are_wrong(changes, reason, tmp_path):
    """One refusal, which says why; the next image is read."""
    other = row_of(exported(1))
    rest = [(other.digest + ".jpg", other.encoded), (other.digest + ".json", other.json)]
    archive_of(tmp_path / "a.tar", [*sample(**changes), *rest])
    found, refused = read(tmp_path / "a.tar")
    assert [request.record.digest for request in found if request.record.digest != ROW.digest] == [
        other.digest
    ]
    assert any(reason in one.reason for one in refused), refused


def test_an_array_that_states_a_terabyte(tmp_path):
    """Nothing of that size is made."""
    header = GOOD[".npy"].replace(b"(8,), }         ", b"(250000000000,)}", 1)
    assert len(header) == len(GOOD[".npy"])
    archive_of(tmp_path / "a.tar", sample(npy=header))
    found, refused = read(tmp_path / "a.tar")
    assert found == []
    assert len(refused) == 1


def test_not_a_number(tmp_path):
    """An embedding of NaN is sent on: the crawler rejects it."""
    values = embedding_values(0)
    values[3] = float("nan")
    archive_of(tmp_path / "a.tar", sample(npy=npy_bytes(values)))
    [request], refused = read(tmp_path / "a.tar")
    assert refused == []
    assert request.embedding.values[3] != request.embedding.values[3]


@pytest.mark.parametrize("content", [b"", b"x" * 511, b"x" * 5_000, bytes(100)])
def test_what_is_no_tar_file(content, tmp_path):
    """One error."""
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ShardDamaged):
        read(tmp_path / "a.tar")


@pytest.mark.parametrize(
    "size", [b"77777777777\0", b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_a_header_that_states_an_absurd_size(size, tmp_path):
    """8 GB, or less than nothing: one error, no loop, no memory."""
    archive_of(tmp_path / "a.tar", sample())
    content = bytearray((tmp_path / "a.tar").read_bytes())
    content[124:136] = size
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ShardDamaged):
        read(tmp_path / "a.tar")


def test_a_shard_that_is_a_link(tmp_path):
    """It is not followed."""
    archive_of(tmp_path / "a.tar", sample())
    (tmp_path / "b.tar").symlink_to(tmp_path / "a.tar")
    with pytest.raises(ShardDamaged, match="it is a link"):
        list(read_tar_shard(tmp_path / "b.tar", "", salvage=False))
