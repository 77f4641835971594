from __future__ import annotations

import pytest

from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.store.blob_store import StoreAway
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.opening import open_store, require_images
from services.crawler.store.s3_address import S3Access
from services.servicekit.errors import Misconfigured

DIGESTS = ("a" * 64, "b" * 64)


def kept(digest):
    listing = Listing("folder:/a", "file:///a/1.jpg")
    return KeptImage(
        1,
        digest,
        ProfileVersion("p", 1),
        "a.jpg",
        listing,
        "",
        7,
        1.0,
        linked=True,
        compliance=None,
    )


def test_nothing_set_is_the_data_folder(tmp_path):
    """As it always was."""
    assert isinstance(open_store("", tmp_path, S3Access()), FolderStore)
    assert (tmp_path / "blobs").is_dir()


@pytest.mark.parametrize("store", ["/a/folder", "s3://", "gs://bucket"])
def test_another_kind_of_store(tmp_path, store):
    """One clear error, and no folder is made for it."""
    with pytest.raises(Misconfigured, match="s3://bucket/prefix"):
        open_store(store, tmp_path, S3Access())
    assert list(tmp_path.iterdir()) == []


def test_a_store_with_some_of_the_images(tmp_path):
    """Single lost ones are shown as lost; a catalogue without images fits every store."""
    store = FolderStore(tmp_path)
    store.put_with_sidecar(b"x", DIGESTS[0], {"judgements": {}})
    require_images(store, [kept(digest) for digest in DIGESTS])
    require_images(store, [])


def test_a_store_with_none_of_the_images(tmp_path):
    """It is another one: the error says what to do, and no image becomes a lost one."""
    with pytest.raises(Misconfigured, match="none of the newest 2 kept images.*copy"):
        require_images(FolderStore(tmp_path), [kept(digest) for digest in DIGESTS])


def test_a_store_that_goes_away_just_then(tmp_path):
    """That may pass: the start ends with what the store says, and is worth another try."""

    class Away(FolderStore):
        def present(self, digests):
            raise StoreAway("s3://b", "no answer in time")

    with pytest.raises(StoreAway, match="no answer in time"):
        require_images(Away(tmp_path), [kept(DIGESTS[0])])
