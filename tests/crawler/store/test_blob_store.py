"""What every kind of store promises, tried on each."""

from __future__ import annotations

import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.crawler.store.blob_store import (
    BlobDamaged,
    BlobLost,
    BlobTooLarge,
    SidecarDamaged,
    StoreAway,
)
from tests.crawler.store.stores import InFolder, blob_path, in_new_place, sidecar_of
from tests.faithful.s3_server import S3Server

ENCODED = b"picture"
DIGEST = hashlib.sha256(ENCODED).hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()
NAME = ("landscapes", "sunrise.jpg")
_numbers = itertools.count()


def facts(profile, **more):
    return {"width_px": 4, "judgements": {profile: {"verdict": "ACCEPTED"}}, **more}


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    if request.param == "folder":
        return InFolder(tmp_path)
    server: S3Server = request.getfixturevalue("s3_server")
    return in_new_place(server, f"suite/{next(_numbers)}")


def test_bytes_are_named_by_their_digest(place):
    """What is put can be read under its SHA-256, and putting it again changes nothing."""
    for _ in range(2):
        place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
        assert place.content(blob_path(DIGEST)) == ENCODED
        assert place.store.read(DIGEST, max_bytes=7) == ENCODED
        assert sidecar_of(place, DIGEST) == facts("a@1")
    assert place.store.has(DIGEST)
    assert not place.store.has(OTHER)


def test_what_is_there_of_many(place):
    """Blobs and readable names, each once."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
    place.store.link(DIGEST, NAME)
    assert place.store.present([DIGEST, OTHER, DIGEST]) == {DIGEST}
    assert place.store.present([]) == set()
    assert place.store.present_names([NAME, ("landscapes", "other.jpg")]) == {NAME}


def test_second_profile_adds_its_judgement(place):
    """A sidecar keeps what the first accept wrote and gains the second judgement; without bytes those stay."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1", final_url="http://first/"))
    place.store.put_with_sidecar(b"", DIGEST, facts("b@2", final_url="http://second/"))
    sidecar = sidecar_of(place, DIGEST)
    assert sidecar["final_url"] == "http://first/"
    assert list(sidecar["judgements"]) == ["a@1", "b@2"]
    assert place.content(blob_path(DIGEST)) == ENCODED


def put_until_there(store, known):
    """As a crawler does: on a busy machine a service may be late."""
    for _ in range(10):
        try:
            return store.put_with_sidecar(ENCODED, DIGEST, known)
        except StoreAway:
            continue
    raise AssertionError("the store was away ten times")


def test_crawlers_that_add_at_the_same_time_lose_nothing(place):
    """Eight of them, each with a store of its own, add a judgement each; all are there."""
    stores = [place.another() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        added = [
            threads.submit(put_until_there, store, facts(f"profile-{number}@1"))
            for number, store in enumerate(stores)
        ]
    for one in added:
        one.result()
    judged = sidecar_of(place, DIGEST)["judgements"]
    assert sorted(judged) == [f"profile-{number}@1" for number in range(8)]


def test_a_sidecar_is_not_written_for_lost_bytes(place):
    """Without bytes, and with none there, nothing is written."""
    with pytest.raises(BlobLost) as caught:
        place.store.put_with_sidecar(b"", DIGEST, facts("a@1"))
    assert caught.value.digest == DIGEST
    assert place.content(blob_path(DIGEST) + ".json") is None


def test_bytes_that_were_cut_behind_our_back(place):
    """They are told, and left as they are; nothing is repaired in silence."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
    place.overwrite(blob_path(DIGEST), b"pict")
    with pytest.raises(BlobDamaged, match="4 bytes instead of 7") as caught:
        place.store.put_with_sidecar(ENCODED, DIGEST, facts("b@1"))
    assert (caught.value.size_bytes, caught.value.expected_bytes) == (4, 7)
    assert place.content(blob_path(DIGEST)) == b"pict"
    assert list(sidecar_of(place, DIGEST)["judgements"]) == ["a@1"]


def test_bytes_that_were_edited_behind_our_back(place):
    """As many as before: they are told where they are put again and where they are read, and left as they are."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
    place.overwrite(blob_path(DIGEST), b"PICTURE")
    with pytest.raises(BlobDamaged, match="its 7 bytes are not those of its name"):
        place.store.put_with_sidecar(ENCODED, DIGEST, facts("b@1"))
    with pytest.raises(BlobDamaged, match="its 7 bytes are not those of its name"):
        place.store.read(DIGEST, max_bytes=9)
    assert place.content(blob_path(DIGEST)) == b"PICTURE"
    assert list(sidecar_of(place, DIGEST)["judgements"]) == ["a@1"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b'{"judgements": 7}', b"\xff"])
def test_a_sidecar_that_was_edited_to_something_else(place, content):
    """It is told, and left as it is."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
    place.overwrite(blob_path(DIGEST) + ".json", content)
    with pytest.raises(SidecarDamaged, match=DIGEST[:12]):
        place.store.put_with_sidecar(ENCODED, DIGEST, facts("b@1"))
    assert place.content(blob_path(DIGEST) + ".json") == content


def test_bytes_are_read_up_to_a_limit(place):
    """As many as the limit are read, one more is a typed error; lost ones are none."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
    assert place.store.read(DIGEST, max_bytes=7) == ENCODED
    with pytest.raises(BlobTooLarge) as caught:
        place.store.read(DIGEST, max_bytes=6)
    assert (caught.value.digest, caught.value.size_bytes, caught.value.max_bytes) == (DIGEST, 7, 6)
    place.delete(blob_path(DIGEST))
    assert place.store.read(DIGEST, max_bytes=7) == b""


def test_a_readable_name_has_the_bytes(place):
    """Naming again is harmless; a name that a person removed is gone; lost bytes get no name."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
    for _ in range(2):
        assert place.store.link(DIGEST, NAME)
        assert place.content("kept/landscapes/sunrise.jpg") == ENCODED
    place.delete("kept/landscapes/sunrise.jpg")
    assert place.store.present_names([NAME]) == set()
    assert place.store.has(DIGEST)
    assert not place.store.link(OTHER, ("landscapes", "other.jpg"))
    assert place.content("kept/landscapes/other.jpg") is None


def test_a_readable_name_is_removed_alone(place):
    """The bytes and other names stay; removing it again is harmless."""
    place.store.put_with_sidecar(ENCODED, DIGEST, facts("a@1"))
    names = [NAME, ("sunsets", "sunrise.jpg")]
    for name in names:
        place.store.link(DIGEST, name)
    for _ in range(2):
        place.store.remove_name(NAME)
    assert place.store.present_names(names) == {names[1]}
    assert place.store.has(DIGEST)


def test_nothing_is_left_of_what_is_removed(place):
    """Bytes, sidecar and every name of it; what others are stays, and removing again is harmless."""
    for digest, encoded in ((DIGEST, ENCODED), (OTHER, b"another")):
        place.store.put_with_sidecar(encoded, digest, facts("a@1"))
        place.store.link(digest, ("landscapes", f"{digest[:8]}.jpg"))
        place.store.link(digest, ("sunsets", f"{digest[:8]}.jpg"))
    names = [("landscapes", f"{DIGEST[:8]}.jpg"), ("sunsets", f"{DIGEST[:8]}.jpg")]
    for _ in range(2):
        place.store.remove(DIGEST, names)
    paths = [
        blob_path(DIGEST),
        blob_path(DIGEST) + ".json",
        *("/".join(("kept", *n)) for n in names),
    ]
    assert [place.content(path) for path in paths] == [None] * 4
    assert place.store.read(OTHER, max_bytes=99) == b"another"
    assert place.content(f"kept/sunsets/{OTHER[:8]}.jpg") == b"another"
    assert sidecar_of(place, OTHER) == facts("a@1")
