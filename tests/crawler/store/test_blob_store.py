from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from services.crawler.store.blob_store import BlobStore, BlobTooLarge
from services.servicekit.errors import Misconfigured


def facts(profile, **more):
    return {"width_px": 4, "judgements": {profile: {"verdict": "ACCEPTED"}}, **more}


def test_bytes_are_named_by_their_digest(tmp_path):
    """What is put can be read under its SHA-256, and putting it again changes nothing."""
    store = BlobStore(tmp_path)
    digest = store.put(b"picture")
    assert digest == hashlib.sha256(b"picture").hexdigest()
    before = store.path(digest).stat().st_mtime_ns
    assert store.put(b"picture") == digest
    assert store.path(digest).read_bytes() == b"picture"
    assert store.path(digest).stat().st_mtime_ns == before
    assert store.has(digest)
    assert not store.has("0" * 64)


def test_second_profile_adds_its_judgement(tmp_path):
    """A sidecar keeps what the first accept wrote and gains the second judgement."""
    store = BlobStore(tmp_path)
    digest = store.put(b"picture")
    store.put_sidecar(digest, facts("a@1", final_url="http://first/"))
    store.put_sidecar(digest, facts("b@2", final_url="http://second/"))
    sidecar = json.loads(store.path(digest).with_suffix(".json").read_text())
    assert sidecar["final_url"] == "http://first/"
    assert set(sidecar["judgements"]) == {"a@1", "b@2"}


def test_bytes_and_sidecar_are_synced_before_they_count(tmp_path, monkeypatch):
    """Each file is synced before it has its name, and the folder of both, new as it is, once both are in it."""
    store = BlobStore(tmp_path)
    digest = hashlib.sha256(b"picture").hexdigest()
    path = store.path(digest)
    synced = []

    def fsync(handle):
        where = Path(f"/proc/self/fd/{handle}").readlink()
        names = sorted(entry.name for entry in where.iterdir()) if where.is_dir() else None
        synced.append((where, where.read_bytes() if names is None else names))

    monkeypatch.setattr(os, "fsync", fsync)
    store.put_with_sidecar(b"picture", digest, facts("a@1"))

    places = [where.relative_to(tmp_path / "blobs").parts[:1] for where, _ in synced]
    assert places == [(), ("tmp",), ("tmp",), (digest[:2],)]
    assert digest[:2] in synced[0][1]
    assert synced[1][1] == b"picture"
    assert json.loads(synced[2][1])["judgements"] == {"a@1": {"verdict": "ACCEPTED"}}
    assert synced[3][1] == [path.name, f"{path.name}.json"]


def test_a_sidecar_alone_leaves_the_bytes(tmp_path):
    """Without bytes, what an earlier accept stored stays, and its sidecar gains the judgement."""
    store = BlobStore(tmp_path)
    digest = hashlib.sha256(b"picture").hexdigest()
    store.put_with_sidecar(b"picture", digest, facts("a@1"))
    store.put_with_sidecar(b"", digest, facts("b@1"))
    assert store.path(digest).read_bytes() == b"picture"
    sidecar = json.loads(store.path(digest).with_suffix(".json").read_text())
    assert set(sidecar["judgements"]) == {"a@1", "b@1"}


def test_readable_name_is_the_same_file(tmp_path):
    """`kept/` holds hard links: no second copy; linking again is harmless, and somebody may remove the folder."""
    store = BlobStore(tmp_path)
    digest = store.put(b"picture")
    (tmp_path / "kept").rmdir()
    for _ in range(2):
        store.link(digest, "landscapes", "sunrise.jpg")
    kept = tmp_path / "kept" / "landscapes" / "sunrise.jpg"
    assert kept.samefile(store.path(digest))
    assert store.path(digest).stat().st_nlink == 2


def test_bytes_are_read_up_to_a_limit(tmp_path):
    """As many as the limit are read, one more is a typed error; lost ones are none."""
    store = BlobStore(tmp_path)
    digest = store.put(b"picture")
    assert store.read(digest, max_bytes=7) == b"picture"
    with pytest.raises(BlobTooLarge) as caught:
        store.read(digest, max_bytes=6)
    assert (caught.value.digest, caught.value.size_bytes, caught.value.max_bytes) == (digest, 7, 6)
    store.path(digest).unlink()
    assert store.read(digest, max_bytes=7) == b""


def test_parts_of_a_crash_are_dropped(tmp_path):
    """What a killed process left half written is gone after the next start."""
    BlobStore(tmp_path)
    part = tmp_path / "blobs" / "tmp" / "half"
    part.write_bytes(b"half a pict")
    BlobStore(tmp_path)
    assert not part.exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    """One clear error names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="file"):
        BlobStore(tmp_path / "file")


@pytest.mark.parametrize("there", ["blobs", "kept", "tmp"])
def test_folders_that_are_there_do_not_hide_those_that_are_not(tmp_path, there):
    """Whichever folder a person has made already, bytes, sidecar and readable name find their place."""
    (tmp_path / there).mkdir()
    store = BlobStore(tmp_path)
    digest = store.put(b"x")
    store.put_sidecar(digest, {"judgements": {}})
    store.link(digest, "hills", "a.jpg")
    assert (tmp_path / "kept" / "hills" / "a.jpg").read_bytes() == b"x"
