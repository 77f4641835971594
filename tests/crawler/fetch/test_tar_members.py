from __future__ import annotations

import io
import struct
import tarfile
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crawler.fetch.tar_members import BrokenTar, Member, read_members
from tests.faithful.shards import add, write_shard


def members(path, offset=0) -> list[Member]:
    with path.open("rb") as handle:
        return list(read_members(handle, offset))


def archive_of(path, *entries, **kwargs):
    with tarfile.open(path, "w", **kwargs) as archive:
        for entry in entries:
            add(archive, *entry) if isinstance(entry, tuple) else archive.addfile(entry)
    return path


def special(name, kind, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_members_can_be_read_from_any_of_them_on(tmp_path, form) -> None:
    """Each offset is the beginning of a header, long names and names that are not ASCII included."""
    names = ["a.jpg", "d/" + "x" * 90 + ".png", "é.webp"]
    if form != tarfile.USTAR_FORMAT:
        names.append("y" * 300 + ".jpg")
    path = archive_of(tmp_path / "s.tar", *((name, name.encode()) for name in names), format=form)
    found = members(path)
    assert [member.name for member in found] == names
    for number, member in enumerate(found):
        assert members(path, member.offset) == found[number:]
        data = path.read_bytes()[member.data_offset : member.data_offset + member.size]
        assert data == member.name.encode()


def test_what_is_no_file_says_so(tmp_path) -> None:
    """Links of both kinds, folders, devices, FIFOs: none of them is a file, and nothing is followed."""
    kinds = {
        tarfile.SYMTYPE: {"linkname": "/etc/passwd"},
        tarfile.LNKTYPE: {"linkname": "good.jpg"},
        tarfile.CHRTYPE: {"devmajor": 1, "devminor": 5},
        tarfile.BLKTYPE: {},
        tarfile.FIFOTYPE: {},
        tarfile.DIRTYPE: {},
        tarfile.CONTTYPE: {},
    }
    entries = [special(f"{kind!r}.jpg", kind, **fields) for kind, fields in kinds.items()]
    path = archive_of(tmp_path / "s.tar", *entries, ("good.jpg", b"x"))
    assert [member.is_file for member in members(path)] == [False] * len(kinds) + [True]


def test_a_sparse_member_is_no_file(tmp_path) -> None:
    """GNU's old form and that of PAX: what they state is larger than what is there."""
    path = tmp_path / "s.tar"
    info = tarfile.TarInfo("sparse.jpg")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    path.write_bytes(bytes(header) + b"\0" * 1_024)
    assert [member.is_file for member in members(path)] == [False]
    pax = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1"}
    pax |= {"GNU.sparse.size": "9999999999", "GNU.sparse.name": "sparse.jpg"}
    archive_of(path, special("s.jpg", tarfile.REGTYPE, pax_headers=pax), format=tarfile.PAX_FORMAT)
    assert [member.is_file for member in members(path)] == [False]


@pytest.mark.parametrize("cut", [1, 511, 512, 700, 1_024, 1_500])
def test_a_file_that_was_cut_off(tmp_path, cut: int) -> None:
    """What is whole comes, then the error; cut between two members nothing is missing that could be known."""
    path = archive_of(tmp_path / "s.tar", ("a.jpg", b"a" * 600), ("b.jpg", b"b" * 600))
    whole = path.read_bytes()[: 2 * (512 + 1_024)]
    path.write_bytes(whole[: 512 + 1_024 + cut])
    found = []
    with path.open("rb") as handle, pytest.raises(BrokenTar):
        found.extend(read_members(handle))
    whole_names = ["a.jpg", "b.jpg"] if cut >= 512 + 600 else ["a.jpg"]
    assert [member.name for member in found] == whole_names
    path.write_bytes(whole[: 512 + 1_024])
    assert [member.name for member in members(path)] == ["a.jpg"]


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"no tar" * 1_000, b"\x89PNG\r\n" * 600, b"\x1f\x8b" + b"x" * 2_000],
    ids=len,
)
def test_what_is_no_tar(tmp_path, body: bytes) -> None:
    """An empty file, text, a picture, a compressed file."""
    path = tmp_path / "s.tar"
    path.write_bytes(body)
    with pytest.raises(BrokenTar):
        members(path)


def test_an_offset_where_no_header_begins(tmp_path) -> None:
    """A file that was changed: an error, not a member that is not there."""
    path = write_shard(tmp_path / "s.tar", range(3))
    for offset in (1, 512, 700, 10**9):
        with path.open("rb") as handle:
            try:
                found = list(read_members(handle, offset))
            except BrokenTar:
                continue
        assert found == []


def test_a_header_that_leads_back(tmp_path) -> None:
    """A negative size (CVE-2025-8194) would go round in circles."""
    info = tarfile.TarInfo("a.jpg")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = struct.pack(">4sq", b"\xff" * 4, -2_048)
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    path = tmp_path / "s.tar"
    path.write_bytes(bytes(header) * 8 + b"\0" * 1_024)
    with pytest.raises(BrokenTar):
        members(path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_is_too_long(tmp_path, kind: bytes) -> None:
    """A name of 20 MB, and digits that take quadratic time (CVE-2024-6232): neither is read."""
    for body in (b"1" * 20_000_000, b"1" * 8_000):
        info = special("x", kind, size=len(body))
        path = tmp_path / "s.tar"
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + body + b"\0" * 1_024)
        began = time.process_time()
        tracemalloc.start()
        with pytest.raises(BrokenTar):
            members(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_000_000
        assert time.process_time() - began < 2


def test_long_names_without_end(tmp_path) -> None:
    """Headers that only announce another: an error, not a crash."""
    info = special("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=3)
    path = tmp_path / "s.tar"
    path.write_bytes((info.tobuf(tarfile.GNU_FORMAT) + b"ab\0" + b"\0" * 509) * 5_000)
    with pytest.raises(BrokenTar):
        members(path)


def test_many_members_in_constant_memory(tmp_path) -> None:
    """A hundred thousand are read, and memory does not grow with them."""
    path = tmp_path / "s.tar"
    one = tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT)
    with path.open("wb") as handle:
        for _ in range(100):
            handle.write(one * 1_000)
        handle.write(b"\0" * 1_024)
    with path.open("rb") as handle:
        assert sum(1 for _ in read_members(handle)) == 100_000
        found = read_members(handle)
        next(found)
        tracemalloc.start()
        for _ in range(5_000):
            next(found)
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert kept < 50_000


_SEED = io.BytesIO()
with tarfile.open(fileobj=_SEED, mode="w", format=tarfile.PAX_FORMAT) as _archive:
    add(_archive, "a.jpg", b"a" * 600)
    add(_archive, "é" * 80 + ".json", b"{}")
    add(_archive, "b.jpg", b"b")


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), min_size=1, max_size=20))
@settings(max_examples=300)
def test_whatever_is_changed(tmp_path_factory, changes) -> None:
    """Members whose bytes are there, or one kind of error."""
    body = bytearray(_SEED.getvalue())
    for at, value in changes:
        body[at % len(body)] = value
    path = tmp_path_factory.getbasetemp() / "mutated.tar"
    path.write_bytes(body)
    with path.open("rb") as handle, suppress(BrokenTar):
        for member in read_members(handle):
            assert member.data_offset >= 0
            assert not member.is_file or member.data_offset + member.size <= len(body)
