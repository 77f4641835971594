"""What a check asks of every kind of store, tried on each."""

from __future__ import annotations

import hashlib
import itertools
import time

import pytest

from services.crawler.store.blob_store import StoreAway
from services.crawler.store.s3_address import S3Address
from services.crawler.store.s3_bucket import S3Bucket
from services.crawler.verifying import folder_files
from services.crawler.verifying.bucket_files import BucketFiles
from services.crawler.verifying.folder_files import FolderFiles
from services.crawler.verifying.stored_files import StoredFile, blob_path, name_path, sidecar_path
from tests.crawler.store.stores import LIMITS
from tests.faithful.s3_faults import Fault, S3Faults

ENCODED = b"picture"
DIGEST = hashlib.sha256(ENCODED).hexdigest()
BLOB = blob_path(DIGEST)
NAME = name_path("landscapes", "sunrise.jpg")
_numbers = itertools.count()


class _Folder:
    def __init__(self, folder):
        self.files, self._folder = FolderFiles(folder), folder

    def write(self, path, content):
        place = self._folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


class _Bucket:
    def __init__(self, bucket):
        self.files, self.bucket = BucketFiles(bucket), bucket

    def write(self, path, content):
        self.bucket.delete([path])
        assert self.bucket.create(path, content, media_type="image/jpeg")


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    if request.param == "folder":
        return _Folder(tmp_path)
    server = request.getfixturevalue("s3_server")
    server.make_bucket("shared")
    address = S3Address("shared", f"files/{next(_numbers)}")
    return _Bucket(S3Bucket(address, server.access(), LIMITS))


def test_paths():
    """As the store has them."""
    assert blob_path(DIGEST) == f"blobs/{DIGEST[:2]}/{DIGEST}"
    assert sidecar_path(DIGEST) == f"{BLOB}.json"
    assert name_path("landscapes", "sunrise.jpg") == "kept/landscapes/sunrise.jpg"


def test_a_file_is_read(store):
    """Its digest, its size, and its bytes up to a limit; however large it is."""
    large = bytes(range(256)) * 20_000
    store.write(BLOB, ENCODED)
    store.write("large", large)
    assert store.files.digest(BLOB) == (DIGEST, 7)
    assert store.files.digest("large") == (hashlib.sha256(large).hexdigest(), len(large))
    assert store.files.read(BLOB, max_bytes=7) == ENCODED
    assert store.files.read(BLOB, max_bytes=6) == b""


@pytest.mark.parametrize(
    "ask",
    [
        lambda files: files.digest(BLOB),
        lambda files: files.read(BLOB, max_bytes=9),
        lambda files: files.holds(NAME, DIGEST),
    ],
)
def test_a_file_that_is_gone(store, ask):
    """The same error everywhere."""
    with pytest.raises(FileNotFoundError):
        ask(store.files)
    assert not store.files.exists(BLOB)
    assert store.files.changed_time(StoredFile(BLOB, DIGEST)) is None


def test_a_name_that_is_a_copy(store):
    """Or other bytes, as many or fewer; whether those under the digest are there or not."""
    store.write(NAME, ENCODED)
    assert store.files.holds(NAME, DIGEST)
    store.write(BLOB, ENCODED)
    assert store.files.holds(NAME, DIGEST)
    for content in (b"erutcip", b"pic", b""):
        store.write(NAME, content)
        assert not store.files.holds(NAME, DIGEST)


def test_what_is_in_a_folder(store):
    """By name: folders and files of one with few, files alone of one with many; nothing if it is not there."""
    for path in ("blobs/ab/2", "blobs/ab/1", "blobs/cd/3", "blobs/loose", "blobs-not/x", NAME):
        store.write(path, b"x")
    entries = [(one.path, one.name, one.is_folder) for one in store.files.entries("blobs")]
    assert entries == [
        ("blobs/ab", "ab", True),
        ("blobs/cd", "cd", True),
        ("blobs/loose", "loose", False),
    ]
    files = [(one.path, one.name, one.is_file) for one in store.files.files("blobs/ab")]
    assert files == [("blobs/ab/1", "1", True), ("blobs/ab/2", "2", True)]
    assert [one.name for one in store.files.files("kept/landscapes")] == ["sunrise.jpg"]
    assert list(store.files.entries("nothing")) == list(store.files.files("nothing")) == []


def test_when_a_file_was_written(store):
    """Within a minute, by whoever's clock."""
    store.write(BLOB, ENCODED)
    assert abs(store.files.changed_time(StoredFile(BLOB, DIGEST)) - time.time()) < 60


def test_what_is_set_aside(store):
    """Whole, beside those of its name; and gone from where it was."""
    places = []
    for content in (b"first", b"second", b"third"):
        store.write(BLOB, content)
        places.append(store.files.set_aside(BLOB))
        assert not store.files.exists(BLOB)
    assert places == [f"set-aside/{DIGEST}", f"set-aside/{DIGEST}.2", f"set-aside/{DIGEST}.3"]
    assert [store.files.read(place, max_bytes=9) for place in places] == [
        b"first",
        b"second",
        b"third",
    ]


def test_bytes_that_are_brought_back(store):
    """From a readable name, which stays; where the folder of the bytes is gone, too."""
    store.write(NAME, ENCODED)
    store.files.bring_back(NAME, DIGEST)
    assert store.files.digest(BLOB) == (DIGEST, 7)
    assert store.files.holds(NAME, DIGEST)
    store.files.remove(NAME)
    assert not store.files.exists(NAME)


def test_a_disk_without_links(tmp_path, monkeypatch):
    """The bytes are copied."""

    def no_links(*_):
        raise OSError("no links here")

    store = _Folder(tmp_path)
    store.write(NAME, ENCODED)
    monkeypatch.setattr(folder_files.os, "link", no_links)
    store.files.bring_back(NAME, DIGEST)
    assert store.files.digest(BLOB) == (DIGEST, 7)


def test_more_objects_than_one_page(s3_server):
    """All of them, each once."""
    s3_server.make_bucket("shared")
    address = S3Address("shared", f"files/{next(_numbers)}")
    bucket = S3Bucket(address, s3_server.access(), LIMITS)
    bucket.create("kept/p/0000", b"x", media_type="image/jpeg")
    expected = ["0000"]
    for number in range(1, 1_050):
        bucket.copy("kept/p/0000", f"kept/p/{number:04}")
        expected.append(f"{number:04}")
    assert [one.name for one in BucketFiles(bucket).files("kept/p")] == expected


@pytest.fixture
def behind(s3_server):
    """Files behind a proxy, and the proxy."""
    s3_server.make_bucket("shared")
    with S3Faults(s3_server.port) as faults:
        address = S3Address("shared", f"files/{next(_numbers)}")
        store = _Bucket(S3Bucket(address, s3_server.access(endpoint=faults.endpoint), LIMITS))
        store.write(BLOB, ENCODED)
        yield store, faults


def test_a_copy_that_failed_is_not_deleted(behind):
    """What was to be set aside stays where it is."""
    store, faults = behind
    faults.always("PUT", DIGEST, Fault.DONE, part="set-aside")
    with pytest.raises(StoreAway, match="is not what it was made from"):
        store.files.set_aside(BLOB)
    assert store.files.digest(BLOB) == (DIGEST, 7)


def test_a_download_that_breaks_off(behind):
    """It is asked for again."""
    store, faults = behind
    faults.plan("GET", DIGEST, Fault.CUT_AFTER, Fault.BROKEN_AFTER)
    assert store.files.digest(BLOB) == (DIGEST, 7)


def test_a_check_writes_nothing(behind):
    """It is asked for objects and lists alone."""
    store, faults = behind
    before = len(faults.asked)
    store.files.digest(BLOB)
    store.files.read(BLOB, max_bytes=9)
    list(store.files.entries("blobs"))
    list(store.files.files("blobs"))
    assert {one.method for one in faults.asked[before:]} == {"GET", "HEAD"}
