from __future__ import annotations

from structlog.testing import capture_logs

from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.store.file_state import FileState, file_states
from services.crawler.store.folder_store import FolderStore
from tests.crawler.store.stores import put_bytes


def kept(digest, file_name, *, linked=True):
    listing = Listing("folder:/a", "file:///a/1.jpg")
    profile = ProfileVersion("p", 1)
    return KeptImage(1, digest, profile, file_name, listing, "", 7, 1.0, linked, None)


def test_what_became_of_files(tmp_path):
    """There, removed by hand, not named yet, and lost: the last even if the readable name is there."""
    store = FolderStore(tmp_path)
    digests = [put_bytes(store, f"picture {number}".encode()) for number in range(4)]
    for number, digest in enumerate(digests):
        store.link(digest, ("p", f"{number}.jpg"))
    (tmp_path / "kept" / "p" / "1.jpg").unlink()
    (tmp_path / "kept" / "p" / "2.jpg").unlink()
    store.path(digests[3]).unlink()
    images = [
        kept(digest, f"{number}.jpg", linked=number != 2) for number, digest in enumerate(digests)
    ]
    with capture_logs() as logs:
        states = file_states(store, images)
    assert states == [FileState.PRESENT, FileState.REMOVED, FileState.PRESENT, FileState.LOST]
    assert [(one["event"], one["log_level"], one["count"]) for one in logs] == [
        ("blobs_lost", "warning", 1)
    ]
    assert logs[0]["digests"] == [digests[3]]


def test_nothing_is_said_when_nothing_is_lost(tmp_path):
    """A removed name is a person's word: no warning."""
    store = FolderStore(tmp_path)
    with capture_logs() as logs:
        assert file_states(store, [kept(put_bytes(store, b"picture"), "a.jpg")]) == [
            FileState.REMOVED
        ]
    assert logs == []
